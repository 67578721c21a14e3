import { beforeEach, describe, expect, it } from "@jest/globals";
import { type AuditSource, type AuditState, verifyAudit } from "../../../src/lib/domain/audit/audit-verification.ts";
import type { AuditBlock, AuditBlockContents, AuditEntry } from "../../../src/lib/model/audit.ts";
import { hashBlock, hashEntry, NO_PREVIOUS_HASH } from "../../../src/lib/security/audit-chain.ts";

/** What a verifier says of blocks, to the millisecond and the word; audit-tampering.test.ts does it with a real file. */

const DAY = 86_400_000;
const MINUTE = 60_000;
const NOW = Date.UTC(2026, 5, 1);
const RETENTION_DAYS = 30;
const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

const STATE: AuditState = { at: iso(NOW), retentionDays: RETENTION_DAYS, unsealed: { count: 3 } };

function entryOf(entryNo: number, at: number): AuditEntry {
  return {
    entryNo,
    at: iso(at),
    actor: "a",
    action: "x",
    subjectKind: "agent",
    subjectId: "a",
    detail: { b: 1, a: 2 },
  };
}

/** Sound blocks of two entries each, sealed a minute after the newer one. @param ages of their newest entries */
function chain(ages: readonly number[]): AuditBlockContents[] {
  let previousHash = NO_PREVIOUS_HASH;
  return ages.map((age, index) => {
    const newestAt = NOW - age;
    const entries = [entryOf(2 * index + 1, newestAt - 1), entryOf(2 * index + 2, newestAt)];
    const members = entries.map((entry) => ({ entryNo: entry.entryNo, hash: hashEntry(entry), entry }));
    const header = {
      blockNo: index + 1,
      firstEntryNo: 2 * index + 1,
      lastEntryNo: 2 * index + 2,
      entryCount: 2,
      newestAt: iso(newestAt),
      sealedAt: iso(newestAt + MINUTE),
      floorNo: 0,
      previousHash,
    };
    const hashes = members.map(({ hash }) => hash);
    previousHash = hashBlock(header, hashes);
    return { block: { ...header, hash: previousHash }, members, strays: [] };
  });
}

/** As retention does it. */
function drop(contents: AuditBlockContents | undefined, at: number): void {
  if (contents === undefined) throw new Error("no such block");
  contents.block = { ...contents.block, droppedAt: iso(at) };
  contents.members = [];
}

let blocks: AuditBlockContents[];
let asked: number[];

beforeEach(() => {
  blocks = chain([40 * DAY, 20 * DAY, 10 * DAY, DAY]);
  asked = [];
});

const source: AuditSource = {
  async *blocksAfter(blockNo) {
    for (const { block } of blocks) if (block.blockNo > blockNo) yield block;
  },
  contentsOf: async (blockNo) => {
    asked.push(blockNo);
    const found = blocks.find(({ block }) => block.blockNo === blockNo);
    if (found === undefined) throw new Error(`block ${blockNo} was not asked for`);
    return found;
  },
};

const blockOf = (blockNo: number): AuditBlock => {
  const found = blocks.find(({ block }) => block.blockNo === blockNo)?.block;
  if (found === undefined) throw new Error(`there is no block ${blockNo}`);
  return found;
};
const digestOf = (blockNo: number) => {
  const { lastEntryNo, hash, sealedAt } = blockOf(blockNo);
  return { blockNo, lastEntryNo, hash, sealedAt };
};
const problems = async (...options: Parameters<typeof verifyAudit> extends [unknown, ...infer Rest] ? Rest : never) =>
  (await verifyAudit(source, ...options)).problems;

describe("a sound audit", () => {
  it("is counted, and told with its newest block", async () => {
    const { hash } = blockOf(4);
    const sound = { blocks: 4, entries: 8, dropped: 0, newest: { blockNo: 4, hash }, problems: [] };
    expect(await verifyAudit(source)).toEqual(sound);
    expect(await verifyAudit(source, { state: STATE })).toEqual({ ...sound, unsealed: STATE.unsealed });
  });

  it("without a block has none", async () => {
    blocks = [];
    const newest = { blockNo: 0, hash: "0".repeat(64) };
    const empty = { blocks: 0, entries: 0, dropped: 0, newest, problems: [] };
    expect(await verifyAudit(source)).toEqual(empty);
    const digest = { blockNo: 0, lastEntryNo: 0, hash: NO_PREVIOUS_HASH };
    expect(await verifyAudit(source, { digest })).toEqual(empty);
  });

  it("is looked at from the digest's block on, or whole", async () => {
    expect(await verifyAudit(source, { digest: digestOf(3) })).toMatchObject({ blocks: 2, entries: 4, problems: [] });
    expect(asked).toEqual([3, 4]);
    expect(await verifyAudit(source, { digest: digestOf(1) })).toMatchObject({ blocks: 4, problems: [] });
    expect(await verifyAudit(source, { digest: digestOf(3), all: true })).toMatchObject({ blocks: 4, problems: [] });
  });

  it("of which retention has dropped blocks is counted without them, and they are asked for only if all is", async () => {
    drop(blocks[0], NOW - 10 * DAY + MINUTE);
    expect(await verifyAudit(source, { state: STATE })).toMatchObject({
      blocks: 4,
      entries: 6,
      dropped: 1,
      problems: [],
    });
    expect(asked).toEqual([2, 3, 4]);
    asked = [];
    expect(await verifyAudit(source, { all: true })).toMatchObject({ entries: 6, dropped: 1, problems: [] });
    expect(asked).toEqual([1, 2, 3, 4]);
  });
});

describe("a chain", () => {
  it("misses blocks by their numbers", async () => {
    blocks = blocks.filter(({ block }) => block.blockNo !== 2);
    expect(await problems()).toEqual([{ blockNo: 2, problem: "is missing" }]);
    blocks = blocks.filter(({ block }) => block.blockNo !== 3);
    expect(await problems()).toEqual([{ blockNo: 2, problem: "is missing, and so are the next up to 3" }]);
    blocks = chain([3 * DAY, 2 * DAY]).slice(1);
    expect(await problems()).toEqual([{ blockNo: 1, problem: "is missing" }]);
  });

  it("begins with nothing, and each block names the one before it", async () => {
    const [first, , third] = blocks;
    if (first === undefined || third === undefined) throw new Error("four blocks were made");
    for (const contents of [first, third]) {
      const { hash: _, ...header } = { ...contents.block, previousHash: "1".repeat(64) };
      const hash = hashBlock(
        header,
        contents.members.map((member) => member.hash),
      );
      contents.block = { ...header, hash };
    }
    const problem = "the chain is broken: it does not follow the block before it";
    expect(await problems()).toEqual([1, 2, 3, 4].map((blockNo) => ({ blockNo, problem })));
    // What is before the first that is looked at is not known.
    expect((await problems({ digest: digestOf(3) })).map(({ blockNo }) => blockNo)).toEqual([4]);
  });

  it("is that of the digest, which must still be there", async () => {
    const digest = digestOf(4);
    expect(await problems({ digest: { ...digest, hash: "1".repeat(64) } })).toEqual([
      { blockNo: 4, problem: "has a different hash from the digest" },
    ]);
    blocks.pop();
    expect(await problems({ digest })).toEqual([{ blockNo: 4, problem: "is in the digest, but no longer exists" }]);
  });
});

describe("a block", () => {
  it("holds what was sealed in it, and nothing else", async () => {
    const second = blocks[1];
    const entry = second?.members[0];
    if (second === undefined || entry?.entry === undefined) throw new Error("four blocks were made");
    second.strays = [-1];
    second.members = [
      { ...entry, entry: { ...entry.entry, detail: { a: 3, b: 1 } } },
      { entryNo: 4, hash: second.members[1]?.hash ?? "" },
    ];
    expect(await problems()).toEqual([
      { blockNo: 2, entryNo: -1, problem: "was inserted: it belongs to no block" },
      { blockNo: 2, entryNo: 3, problem: "was changed" },
      { blockNo: 2, entryNo: 4, problem: "is missing" },
    ]);
    second.strays = [];
    second.members = [entry];
    expect(await problems()).toEqual([
      { blockNo: 2, problem: "has 1 entry, 2 were sealed" },
      { blockNo: 2, problem: "the block itself or the hashes of its entries were changed" },
    ]);
  });

  it("that was dropped holds nothing any more", async () => {
    const members = blocks[0]?.members ?? [];
    drop(blocks[0], NOW - 5 * DAY);
    const [first] = blocks;
    if (first === undefined) throw new Error("four blocks were made");
    first.members = members;
    first.strays = [0];
    expect(await problems({ all: true })).toEqual([
      { blockNo: 1, entryNo: 0, problem: "was inserted: it belongs to no block" },
      { blockNo: 1, entryNo: 1, problem: "is in a block that was dropped" },
      { blockNo: 1, entryNo: 2, problem: "is in a block that was dropped" },
    ]);
  });
});

describe("a drop", () => {
  const early = (at: number) => `was dropped at ${iso(at)}, before its retention of 30 days was over`;

  it("comes when the newest entry has been kept for its time, give or take a minute", async () => {
    const over = NOW - 40 * DAY + RETENTION_DAYS * DAY;
    drop(blocks[0], over - MINUTE);
    expect(await problems({ state: STATE })).toEqual([]);
    drop(blocks[0], over - MINUTE - 1);
    expect(await problems({ state: STATE })).toEqual([{ blockNo: 1, problem: early(over - MINUTE - 1) }]);
    // Who is not told how long entries are kept takes it for one of the retention.
    expect(await problems()).toEqual([]);
  });

  it("is not of the future, give or take a minute", async () => {
    drop(blocks[0], NOW + MINUTE);
    expect(await problems({ state: STATE })).toEqual([]);
    drop(blocks[0], NOW + MINUTE + 1);
    const problem = `was dropped at ${iso(NOW + MINUTE + 1)}, which is in the future`;
    expect(await problems({ state: STATE })).toEqual([{ blockNo: 1, problem }]);
  });

  it("takes the oldest first, and never the newest", async () => {
    drop(blocks[1], NOW);
    expect(await problems()).toEqual([{ blockNo: 2, problem: "was dropped, although an older one was not" }]);
    for (const contents of blocks) drop(contents, NOW);
    expect(await problems()).toEqual([
      { blockNo: 4, problem: "was dropped, although retention keeps the newest block" },
    ]);
  });

  it("of a block behind the digest comes no sooner than a day before the digest's own retention ends", async () => {
    // Its header says that it is old; the digest, which nobody here can change, says that it is not.
    blocks = chain([100 * DAY, 90 * DAY, DAY]);
    const dropped = NOW - DAY;
    drop(blocks[0], dropped);
    drop(blocks[1], dropped);
    const digest = { ...digestOf(1), sealedAt: iso(NOW + MINUTE - (RETENTION_DAYS - 1) * DAY) };
    expect(await problems({ state: STATE, digest })).toEqual([]);
    const later = { ...digest, sealedAt: iso(Date.parse(digest.sealedAt) + 1) };
    const problem = `${early(dropped)}: it is not older than the digest`;
    expect(await problems({ state: STATE, digest: later })).toEqual([{ blockNo: 2, problem }]);
    // Older digests do not say when they were made.
    const { sealedAt: _, ...without } = later;
    expect(await problems({ state: STATE, digest: without })).toEqual([]);
  });
});
