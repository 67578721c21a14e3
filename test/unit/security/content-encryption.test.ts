import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { ContentEncryption } from "../../../src/lib/security/content-encryption.ts";
import type { Place } from "../../../src/lib/security/envelope.ts";
import { type Key, type KeyRing, keyUnavailable } from "../../../src/lib/security/key-ring.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";

/** What becomes of an envelope, whatever a store gives as one, and of the hash of a request. */

const KEY: Key = { version: "v1", bytes: randomBytes(32) };
const PLACE: Place = { kind: "message", id: "m-1", field: "payload" };

const ring: KeyRing = { current: async () => KEY, find: async (version) => (version === "v1" ? KEY : undefined) };
const outage: KeyRing = {
  current: () => Promise.reject(keyUnavailable("away")),
  find: () => Promise.reject(keyUnavailable("away")),
};
const contents = new ContentEncryption({ keys: ring, all: false });
const { value: envelope } = contents.encrypt(KEY, PLACE, { secret: 1 });

describe("an encrypted value", () => {
  it("comes back in its place, under its key", async () => {
    expect(await contents.decrypt(PLACE, envelope, "v1")).toEqual({ state: "read", value: { secret: 1 } });
    expect(await contents.decrypt({ ...PLACE, id: "m-2" }, envelope, "v1")).toEqual({ state: "broken" });
    expect(await contents.decrypt(PLACE, envelope, "v2")).toEqual({ state: "no_key" });
  });

  it.each([[undefined], [null], [7], [true], [[envelope]], [{ envelope }], [""]])(
    "that is no text (%j) is broken, and no defect",
    async (given) => {
      expect(await contents.decrypt(PLACE, given, "v1")).toEqual({ state: "broken" });
    },
  );

  it("is null to who is not shown contents, and asks for no key, which may be away", async () => {
    const unread = { state: "read", value: null };
    const observer = { actor: "o", role: "observer", credential: "token", withoutContents: true } as const;
    expect(await actingAs(observer, () => contents.decrypt(PLACE, envelope, "v1"))).toEqual(unread);
    const away = new ContentEncryption({ keys: outage, all: false });
    expect(await actingAs(observer, () => away.decrypt(PLACE, envelope, "v1"))).toEqual(unread);
    await expect(away.decrypt(PLACE, envelope, "v1")).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  });
});

describe("the hash of a request", () => {
  it("is made again the way that the stored one was: with its key, or without", async () => {
    const request = { a: 1 };
    for (const key of [KEY, undefined]) {
      const stored = contents.hash(key, request);
      expect(await contents.hashLike(stored, request)).toBe(stored);
      expect(await contents.hashLike(stored, { a: 2 })).not.toBe(stored);
    }
    expect(contents.hash(KEY, request)).not.toBe(contents.hash(undefined, request));
  });

  it("is none when its key has gone: it repeats nothing", async () => {
    const gone = contents.hash({ version: "v0", bytes: randomBytes(32) }, { a: 1 });
    expect(await contents.hashLike(gone, { a: 1 })).toBeUndefined();
  });
});

describe("what is covered", () => {
  it.each([
    [false, undefined, false],
    [false, false, false],
    [false, true, true],
    [true, undefined, true],
    [true, false, true],
    [true, true, true],
  ])("all %s, marked %s: %s", (all, marked, covered) => {
    const every = new ContentEncryption({ keys: ring, all });
    expect([every.all, every.covers(marked)]).toEqual([all, covered]);
  });
});
