import { createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { requestHash } from "../../../src/lib/model/ids.ts";
import { decryptText, encryptText, keyedHash, type Place, versionOfHash } from "../../../src/lib/security/envelope.ts";
import type { Key } from "../../../src/lib/security/key-ring.ts";

/** The form in which a value is encrypted, and the keyed hash: what docs/encryption.md says of them, and what they withstand. */

const key = (version = "0".repeat(32)): Key => ({ version, bytes: randomBytes(32) });
const PLACE: Place = { kind: "message", id: "m-1", field: "payload" };

describe("an envelope", () => {
  it("gives back every text, in its place and under its key", () => {
    const one = key();
    const texts = fc.oneof(fc.string({ unit: "binary" }), fc.json());
    fc.assert(
      fc.property(texts, fc.string(), (text, id) => {
        const place: Place = { kind: "task", id, field: "result" };
        // Lone surrogates have no UTF-8; JSON text has none.
        if (!text.isWellFormed()) return;
        expect(decryptText(one, place, encryptText(one, place, text))).toBe(text);
      }),
    );
  });

  it("is made as the page says: by an independent reading of its bytes", () => {
    const one = key("v1");
    const text = '{"a":"ż"}';
    const [format, version, ...parts] = encryptText(one, PLACE, text).split(".");
    expect([format, version, parts.length]).toEqual(["e1", "v1", 4]);
    const [salt, nonce, ciphertext, tag] = parts.map((part) => Buffer.from(part, "base64url"));
    expect([salt?.length, nonce?.length, ciphertext?.length, tag?.length]).toEqual([
      32,
      12,
      Buffer.byteLength(text),
      16,
    ]);
    if (salt === undefined || nonce === undefined || ciphertext === undefined || tag === undefined) return;
    const derived = hkdfSync("sha256", one.bytes, salt, "agent-communication e1 value", 32);
    const decipher = createDecipheriv("aes-256-gcm", Buffer.from(derived), nonce);
    decipher.setAAD(Buffer.from('["e1","message","m-1","payload"]'));
    decipher.setAuthTag(tag);
    expect(decipher.update(ciphertext, undefined, "utf8") + decipher.final("utf8")).toBe(text);
  });

  it("differs each time, and shows nothing but the length of what is in it", () => {
    const one = key();
    const envelopes = Array.from({ length: 50 }, () => encryptText(one, PLACE, "a secret of some length"));
    const parts = envelopes.map((envelope) => envelope.split("."));
    for (const index of [2, 3, 4, 5]) expect(new Set(parts.map((part) => part[index])).size).toBe(50);
    expect(new Set(envelopes.map((envelope) => envelope.length)).size).toBe(1);
  });

  it("means nothing in any other place", () => {
    const one = key();
    const envelope = encryptText(one, PLACE, "1");
    const others: Place[] = [
      { ...PLACE, id: "m-2" },
      { ...PLACE, kind: "task" },
      { ...PLACE, field: "result" },
      { ...PLACE, id: 'm-1","payload"' },
    ];
    for (const place of others) expect(decryptText(one, place, envelope)).toBeUndefined();
    expect(decryptText(one, PLACE, envelope)).toBe("1");
  });

  it("cannot be read with another key, of the same version or another", () => {
    const one = key();
    const envelope = encryptText(one, PLACE, "1");
    expect(decryptText(key(), PLACE, envelope)).toBeUndefined();
    expect(decryptText({ ...one, version: "f".repeat(32) }, PLACE, envelope)).toBeUndefined();
  });

  it("cannot be changed in any byte", () => {
    const one = key();
    const envelope = encryptText(one, PLACE, "some text");
    const parts = envelope.split(".");
    for (const index of [2, 3, 4, 5]) {
      const bytes = Buffer.from(parts[index] ?? "", "base64url");
      for (let at = 0; at < bytes.length; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 1;
        const other = parts.with(index, changed.toString("base64url")).join(".");
        expect(decryptText(one, PLACE, other)).toBeUndefined();
      }
    }
  });

  it("is not anything else: other texts are refused, never thrown at", () => {
    const one = key();
    const parts = encryptText(one, PLACE, "text").split(".");
    const short = (index: number) => parts.with(index, (parts[index] ?? "").slice(0, -4)).join(".");
    const texts = ["", ".", "e1", "e1.", "text", "......", parts.slice(0, 5).join("."), `${parts.join(".")}.x`];
    texts.push(short(2), short(3), short(4), short(5), parts.with(0, "e2").join("."), parts.with(1, "").join("."));
    for (const text of texts) expect(decryptText(one, PLACE, text)).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => decryptText(one, PLACE, text) === undefined));
  });
});

describe("a keyed hash", () => {
  it("is the same for requests that mean the same, and for no others", () => {
    const one = key();
    expect(keyedHash(one, { a: 1, b: [2] })).toBe(keyedHash(one, { b: [2], a: 1 }));
    expect(keyedHash(one, { a: 1 })).not.toBe(keyedHash(one, { a: 2 }));
  });

  it("cannot be had from the request without the key", () => {
    const [one, other] = [key(), key()];
    const guess = { payload: "yes" };
    expect(keyedHash(one, guess)).not.toBe(keyedHash(other, guess));
    expect(keyedHash(one, guess)).not.toContain(requestHash(guess).slice(0, 22));
  });

  it("is made as the page says, names its version and fits where a plain hash does", () => {
    const one = key("a".repeat(36));
    const hash = keyedHash(one, { b: 1, a: 2 });
    const derived = Buffer.from(hkdfSync("sha256", one.bytes, "", "agent-communication k1 request hash", 32));
    const hmac = createHmac("sha256", derived).update('{"a":2,"b":1}').digest("base64url").slice(0, 22);
    expect(hash).toBe(`k1.${one.version}.${hmac}`);
    expect(hash.length).toBeLessThanOrEqual(64);
    expect(versionOfHash(hash)).toBe(one.version);
    expect(versionOfHash(requestHash({}))).toBeUndefined();
  });
});
