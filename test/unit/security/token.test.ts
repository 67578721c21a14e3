import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { newId } from "../../../src/lib/model/ids.ts";
import { newSecret, parseSecret, sameHash } from "../../../src/lib/security/token.ts";

/** The text of tokens and enrolment keys. */
describe("tokens", () => {
  const credentialId = newId(1_700_000_000_000);

  it("are agt_ or enr_, the id, 256 random bits and a checksum", () => {
    for (const [kind, prefix] of [["token", "agt"] as const, ["enrolment", "enr"] as const]) {
      const { text, secretHash } = newSecret(kind, credentialId);
      expect(text).toMatch(new RegExp(`^${prefix}_${credentialId}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$`));
      expect(parseSecret(text)).toEqual({ kind, credentialId, secretHash });
      const secret = text.slice(41, 84);
      expect(Buffer.from(secret, "base64url")).toHaveLength(32);
      expect(secretHash).toBe(createHash("sha256").update(secret).digest("base64url"));
    }
  });

  it("have the CRC-32 that other tools compute", () => {
    // Computed here bit by bit, so that a text made elsewhere by the rule is one of ours.
    const body = "agt_01890000-0000-7000-8000-000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const good = crcBitByBit(body);
    expect(parseSecret(`${body}_${good}`)?.credentialId).toBe("01890000-0000-7000-8000-000000000000");
  });

  it("never repeat", () => {
    const texts = new Set(Array.from({ length: 500 }, () => newSecret("token", credentialId).text));
    expect(texts.size).toBe(500);
  });

  it("have one form: every other text is refused without a look-up", () => {
    const { text } = newSecret("token", credentialId);
    const others = [
      "",
      "agt_",
      text.slice(1),
      text.slice(0, -1),
      `${text} `,
      ` ${text}`,
      `${text}\n`,
      text.toUpperCase(),
      text.replace("agt_", "enr_"),
      text.replaceAll("_", "-"),
      `Bearer ${text}`,
      text + text,
    ];
    for (const other of others) expect([other, parseSecret(other)]).toEqual([other, undefined]);
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (any) => parseSecret(any) === undefined));
  });

  it("with one character changed are found out by the checksum", () => {
    const { text } = newSecret("token", credentialId);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(..."0123456789abcdefXYZ_-"), (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        return changed === text || parseSecret(changed) === undefined;
      }),
      { numRuns: 500 },
    );
  });

  it("compare by all of the hash", () => {
    const [one, other] = [newSecret("token", credentialId).secretHash, newSecret("token", credentialId).secretHash];
    expect([sameHash(one, one), sameHash(one, other), sameHash(one, one.slice(1)), sameHash("", one)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

/** CRC-32 bit by bit, from its polynomial: https://www.rfc-editor.org/rfc/rfc1952#section-8 */
function crcBitByBit(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}
