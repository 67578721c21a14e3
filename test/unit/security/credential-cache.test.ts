import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CredentialCache } from "../../../src/lib/domain/credentials/credential-cache.ts";
import { CredentialRegistry } from "../../../src/lib/domain/credentials/credential-registry.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { CredentialLookup, Store } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { VirtualClock } from "../../system/simulator/virtual-clock.ts";

/** What is known of credentials without asking the store, and what is forgotten when. */

let folder: string;
let clock: VirtualClock;
let store: Store;
let registry: CredentialRegistry;
let cache: CredentialCache;
/** Look-ups that reached the store. */
let asked: CredentialLookup[];
let one: { credentialId: string };
let other: { credentialId: string };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-"));
  clock = new VirtualClock();
  store = openSqliteStore({ file: join(folder, "agents.db"), settings: CALM_SETTINGS, clock });
  asked = [];
  const counting: Store = {
    ...store,
    findCredential(lookup) {
      asked.push(lookup);
      return store.findCredential(lookup);
    },
  };
  registry = new CredentialRegistry({ store: counting });
  cache = new CredentialCache(counting);
  one = await tokenOf("w-1");
  other = await tokenOf("w-2");
});

afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function tokenOf(agentId: string): Promise<{ credentialId: string }> {
  await store.registerAgent({ agentId, role: "worker", capabilities: [], maxConcurrentTasks: 1 });
  const { credential } = await registry.issue({ kind: "token", agentId });
  return { credentialId: credential.credentialId };
}

/** What of these has to be read again. */
async function readAgain(...lookups: CredentialLookup[]): Promise<CredentialLookup[]> {
  asked = [];
  for (const lookup of lookups) await cache.find(lookup);
  return asked;
}

const WORKER = { role: "worker", status: "active" } as const;

describe("a credential that was looked up", () => {
  it("is known for less than five seconds, and not before", async () => {
    expect(cache.known(one.credentialId)).toBeUndefined();
    const found = await cache.find(one);
    expect(found?.found.credential).toMatchObject(one);
    clock.advance(4_999);
    expect(cache.known(one.credentialId)).toBe(found);
    expect(cache.known(other.credentialId)).toBeUndefined();
    expect(await readAgain(one)).toEqual([]);
    clock.advance(1);
    expect(cache.known(one.credentialId)).toBeUndefined();
    expect(await readAgain(one)).toEqual([one]);
  });

  it("is asked for all the same by who wants to know it anew", async () => {
    await cache.find(one);
    asked = [];
    await cache.find(one, { anew: true });
    await cache.find(one, { anew: false });
    expect(asked).toEqual([one]);
  });

  it("is forgotten by itself, or with all others", async () => {
    const missing = { credentialId: newId(clock.now()) };
    await readAgain(one, other, missing);
    cache.forget(one);
    expect(await readAgain(one, other, missing)).toEqual([one]);
    cache.forget(missing);
    expect(await readAgain(one, other, missing)).toEqual([missing]);
    cache.forget();
    expect(await readAgain(one, other, missing)).toEqual([one, other, missing]);
  });

  it("has a name of its own for each way to look it up", async () => {
    const id = "0".repeat(32);
    const principal = { objectId: id };
    const certificate = { thumbprint: id, subject: "CN=a" };
    const renamed = { thumbprint: id, subject: "CN=b" };
    const lookups = [principal, certificate, renamed, { credentialId: id }];
    expect(await readAgain(...lookups)).toEqual(lookups);
    expect(await readAgain(...lookups)).toEqual([]);
  });

  it("is known to the registry by its id, valid or not", async () => {
    const { credential, secret = "" } = await registry.issue({ kind: "token", agentId: "w-1" });
    expect(registry.isKnown(credential.credentialId)).toBe(false);
    await registry.verifyToken(secret);
    expect(registry.isKnown(credential.credentialId)).toBe(true);
    registry.forgetAll();
    expect(registry.isKnown(credential.credentialId)).toBe(false);
    await expect(registry.get("no-such-id")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "There is no credential no-such-id.",
    });
    await expect(registry.revoke(" ")).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: expect.stringContaining("credential id"),
    });
  });
});

describe("a change of an agent", () => {
  it.each<[string, Parameters<CredentialCache["forgetAgent"]>[1], boolean]>([
    ["that left it as it was", WORKER, false],
    ["of its role", { ...WORKER, role: "observer" }, true],
    ["of its status", { ...WORKER, status: "inactive" }, true],
    ["that nobody knows the end of", undefined, true],
  ])("%s: what is known of it counts no more: %s", async (_name, now, forgotten) => {
    await readAgain(one, other);
    cache.forgetAgent("w-1", now);
    expect(await readAgain(one, other)).toEqual(forgotten ? [one] : []);
  });

  it("forgets what was not there: it may be now", async () => {
    const missing = { credentialId: newId(clock.now()) };
    await readAgain(missing, one);
    cache.forgetAgent("w-2", WORKER);
    expect(await readAgain(missing, one)).toEqual([missing]);
  });

  it("forgets what is being asked at this moment: it may have been read before", async () => {
    await readAgain(one);
    clock.advance(5_000);
    const asking = cache.find(one);
    cache.forgetAgent("w-1", WORKER);
    await asking;
    expect(cache.known(one.credentialId)).toBeUndefined();
    expect(await readAgain(one)).toEqual([one]);
  });
});
