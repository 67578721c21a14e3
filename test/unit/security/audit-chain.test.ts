import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { hashBlock, hashEntry, NO_PREVIOUS_HASH } from "../../../src/lib/security/audit-chain.ts";

/** The bytes that are hashed, as docs/audit.md has them: whoever verifies without this program relies on them, and they never change. */

const sha256 = (text: string) => createHash("sha256").update(text, "utf8").digest("hex");

describe("the hash of an entry", () => {
  it("is that of its canonical JSON: no blanks, keys in order at every level, UTF-8", () => {
    const entry = {
      entryNo: 7,
      at: "2026-01-02T03:04:05.006Z",
      actor: "jörg",
      action: "task.created",
      subjectKind: "task",
      subjectId: "t-1",
      detail: { b: true, a: "x y", C: 1, ab: 2, aa: 3 },
    };
    const text =
      '{"action":"task.created","actor":"jörg","at":"2026-01-02T03:04:05.006Z","detail":{"C":1,"a":"x y","aa":3,"ab":2,"b":true},' +
      '"entryNo":7,"subjectId":"t-1","subjectKind":"task"}';
    expect(hashEntry(entry)).toBe(sha256(text));
  });
});

describe("the hash of a block", () => {
  const header = {
    sealedAt: "2026-01-02T03:05:00.000Z",
    newestAt: "2026-01-02T03:04:05.006Z",
    blockNo: 2,
    previousHash: "ab".repeat(32),
    firstEntryNo: 7,
    lastEntryNo: 9,
    entryCount: 2,
    floorNo: 3,
  };
  const text =
    '{"blockNo":2,"entryCount":2,"firstEntryNo":7,"floorNo":3,"lastEntryNo":9,"newestAt":"2026-01-02T03:04:05.006Z",' +
    `"previousHash":"${"ab".repeat(32)}","sealedAt":"2026-01-02T03:05:00.000Z"}`;

  it("is that of lines, each ended: its canonical JSON, and the hashes of its entries in their order", () => {
    const [one, two] = ["1".repeat(64), "2".repeat(64)];
    expect(hashBlock(header, [one, two])).toBe(sha256(`${text}\n${one}\n${two}\n`));
    expect(hashBlock(header, [two, one])).toBe(sha256(`${text}\n${two}\n${one}\n`));
    expect(hashBlock(header, [])).toBe(sha256(`${text}\n`));
  });

  it("has 64 zeros before the first", () => {
    expect(NO_PREVIOUS_HASH).toMatch(/^0{64}$/);
  });
});
