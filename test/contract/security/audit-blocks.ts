import { describe, expect, it } from "@jest/globals";
import { type AuditSource, verifyAudit } from "../../../src/lib/domain/audit/audit-verification.ts";
import type { AuditBlock } from "../../../src/lib/model/audit.ts";
import { NO_PREVIOUS_HASH } from "../../../src/lib/security/audit-chain.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, DAY, everyPage, MINUTE, type Scene, SECOND } from "../support.ts";
import { auditOf } from "./audit.ts";

/** How the audit is sealed into a chain of blocks, read, verified, and let go of (design section 6, Audit). */

/** A store as what verifying reads from. */
export function sourceOf(store: Store): AuditSource {
  return {
    async *blocksAfter(after) {
      yield* await everyPage((page) => store.listAuditBlocks({ ...page, after }));
    },
    contentsOf: (blockNo) => store.getAuditBlock(blockNo),
  };
}

const blocksOf = (scene: Scene): Promise<AuditBlock[]> =>
  everyPage((page) => scene.store.listAuditBlocks({ ...page, after: 0 }));

/** Adds entries and seals what has waited. */
async function seal(scene: Scene, entries = 1): Promise<void> {
  const entry = { action: "request.refused", subjectKind: "request", subjectId: "x" } as const;
  await scene.store.recordAudit(
    Array.from({ length: entries }, (_, n) => ({ ...entry, detail: { n, b: true, a: "ä" } })),
  );
  await scene.pass(2 * MINUTE);
}

function blocksAreSealed(open: StoreFactory): void {
  it("of nothing are none", async () => {
    await withStore(open, {}, async (scene) => {
      expect((await scene.store.sweep()).auditEntriesSealed).toBe(0);
      expect(await blocksOf(scene)).toEqual([]);
      expect(await scene.store.newestAuditBlock()).toBeUndefined();
      expect(await caught(scene.store.getAuditBlock(1))).toBe("NOT_FOUND");
      expect(await verifyAudit(sourceOf(scene.store))).toMatchObject({ blocks: 0, entries: 0, problems: [] });
    });
  });

  it("leave out what has not waited, which is counted", async () => {
    await withStore(open, {}, async (scene) => {
      expect(await scene.store.unsealedAudit()).toEqual({ count: 0 });
      await scene.agent();
      await scene.agent();
      const entries = await auditOf(scene, {});
      const times = entries.map(({ at }) => at);
      expect(await scene.store.unsealedAudit()).toEqual({ count: 2, oldestAt: times.sort()[0] });
      scene.advance(2 * MINUTE);
      await scene.store.sweep();
      expect(await scene.store.unsealedAudit()).toEqual({ count: 0 });
      await scene.agent();
      expect((await scene.store.unsealedAudit()).count).toBe(1);
    });
  });

  it("hold every entry that has waited, once, each with the hash of the one before", async () => {
    await withStore(open, {}, async (scene) => {
      await scene.agent();
      expect((await scene.store.sweep()).auditEntriesSealed).toBe(0);
      scene.advance(2 * MINUTE);
      expect((await scene.store.sweep()).auditEntriesSealed).toBe(1);
      await seal(scene, 3);
      await seal(scene, 2);
      const blocks = await blocksOf(scene);
      expect(blocks.map(({ blockNo, entryCount }) => [blockNo, entryCount])).toEqual([
        [1, 1],
        [2, 3],
        [3, 2],
      ]);
      expect(blocks.map(({ previousHash }) => previousHash)).toEqual([
        NO_PREVIOUS_HASH,
        blocks[0]?.hash,
        blocks[1]?.hash,
      ]);
      expect(await scene.store.newestAuditBlock()).toEqual(blocks[2]);
      const members = await Promise.all(blocks.map(({ blockNo }) => scene.store.getAuditBlock(blockNo)));
      const sealed = members.flatMap((contents) => contents.members.map(({ entry }) => entry));
      expect(sealed).toEqual(await auditOf(scene, {}));
      expect(members.flatMap(({ strays }) => strays)).toEqual([]);
      const { problems, ...rest } = await verifyAudit(sourceOf(scene.store), { all: true });
      expect(problems).toEqual([]);
      expect(rest).toMatchObject({ blocks: 3, entries: 6, dropped: 0, newest: { blockNo: 3, hash: blocks[2]?.hash } });
    });
  });

  it("hold 1,000 entries at most; a full one does not wait", async () => {
    await withStore(open, {}, async (scene) => {
      const entry = { action: "request.refused", subjectKind: "request", subjectId: "x" } as const;
      for (let n = 0; n < 5; n++) await scene.store.recordAudit(Array.from({ length: 500 }, () => entry));
      scene.advance(10 * SECOND);
      expect((await scene.store.sweep()).auditEntriesSealed).toBe(2_000);
      await scene.pass(2 * MINUTE);
      expect((await blocksOf(scene)).map(({ entryCount }) => entryCount)).toEqual([1_000, 1_000, 500]);
      expect((await verifyAudit(sourceOf(scene.store))).problems).toEqual([]);
    });
  });

  it("are made once when several seal at once, beside new entries", async () => {
    await withStore(open, {}, async (scene) => {
      const entry = { action: "request.refused", subjectKind: "request", subjectId: "x" } as const;
      for (let round = 0; round < 5; round++) {
        await scene.store.recordAudit(Array.from({ length: 300 }, () => entry));
        scene.advance(2 * MINUTE);
        const added = Array.from({ length: 10 }, () => scene.store.recordAudit([entry]));
        await Promise.all([...added, scene.store.sweep(), scene.store.sweep(), scene.store.sweep()]);
      }
      await scene.pass(2 * MINUTE);
      const { problems, entries } = await verifyAudit(sourceOf(scene.store));
      expect(problems).toEqual([]);
      expect(entries).toBe(1_550);
    });
  });

  it("are listed oldest first, in pages, behind a number", async () => {
    await withStore(open, {}, async (scene) => {
      for (let block = 0; block < 5; block++) await seal(scene);
      const numbers = (items: readonly AuditBlock[]) => items.map(({ blockNo }) => blockNo);
      const first = await scene.store.listAuditBlocks({ limit: 2, after: 1 });
      expect(numbers(first.items)).toEqual([2, 3]);
      const second = await scene.store.listAuditBlocks({ limit: 2, after: 1, cursor: first.nextCursor ?? "" });
      expect(numbers(second.items)).toEqual([4, 5]);
      expect(second.nextCursor).toBeNull();
      const other = scene.store.listAuditBlocks({ limit: 2, after: 0, cursor: first.nextCursor ?? "" });
      expect(await caught(other)).toBe("INVALID_REQUEST");
    });
  });
}

function digestsAreCompared(open: StoreFactory): void {
  it("with the block that they name", async () => {
    await withStore(open, {}, async (scene) => {
      for (let block = 0; block < 3; block++) await seal(scene);
      const [, second] = await blocksOf(scene);
      if (second === undefined) throw new Error("two blocks were sealed");
      const source = sourceOf(scene.store);
      const verify = (change: object, all = false) =>
        verifyAudit(source, { digest: { ...second, lastEntryNo: second.lastEntryNo, ...change }, all });
      expect(await verify({})).toMatchObject({ blocks: 2, problems: [] });
      expect(await verify({}, true)).toMatchObject({ blocks: 3, problems: [] });
      const other = { blockNo: 2, problem: "has a different hash from the digest" };
      expect((await verify({ hash: NO_PREVIOUS_HASH })).problems).toEqual([other]);
      const gone = [{ blockNo: 9, problem: "is in the digest, but no longer exists" }];
      expect((await verify({ blockNo: 9 })).problems).toEqual(gone);
      expect((await verify({ blockNo: 0, hash: NO_PREVIOUS_HASH })).problems).toEqual([]);
    });
  });
}

function retentionDrops(open: StoreFactory): void {
  it("whole blocks, oldest first, and never the newest; the chain stays", async () => {
    await withStore(open, { auditRetentionDays: 10 }, async (scene) => {
      await seal(scene, 3);
      await seal(scene, 2);
      scene.advance(5 * DAY);
      await seal(scene, 4);
      expect((await scene.store.maintain()).auditEntriesDropped).toBe(0);
      scene.advance(6 * DAY);
      expect((await scene.store.maintain()).auditEntriesDropped).toBe(5);
      expect((await scene.store.maintain()).auditEntriesDropped).toBe(0);
      const blocks = await blocksOf(scene);
      // The first three were sealed by sweeps, the others by maintenance, with what it said of itself.
      expect(blocks.map(({ droppedAt }) => droppedAt !== undefined)).toEqual([true, true, false, false, false, false]);
      expect(await scene.store.getAuditBlock(1)).toEqual({ block: blocks[0], members: [], strays: [] });
      for (const all of [true, false]) {
        expect(await verifyAudit(sourceOf(scene.store), { all })).toMatchObject({
          blocks: 6,
          dropped: 2,
          problems: [],
        });
      }
      const kept = (await auditOf(scene, { action: "request.refused" })).length;
      expect(kept).toBe(4);
      scene.advance(60 * DAY);
      // The newest stays, and numbers go on behind it.
      expect((await scene.store.maintain()).auditEntriesDropped).toBe(4 + 1 + 1);
      await scene.agent();
      await scene.pass(2 * MINUTE);
      expect((await verifyAudit(sourceOf(scene.store), { all: true })).problems).toEqual([]);
    });
  });

  it("and maintenance says what it did, and seals all there is", async () => {
    await withStore(open, {}, async (scene) => {
      await scene.agent();
      const report = await scene.store.maintain();
      expect(await scene.store.newestAuditBlock()).toMatchObject({ blockNo: 1, entryCount: 2 });
      const [entry, more] = await auditOf(scene, { action: "maintenance.ran" });
      expect(more).toBeUndefined();
      expect(entry).toMatchObject({ actor: "system", subjectKind: "store", detail: report });
    });
  });
}

export function auditBlocksContract(open: StoreFactory): void {
  describe("blocks of the audit", () => blocksAreSealed(open));
  describe("digests of the audit", () => digestsAreCompared(open));
  describe("the audit's retention", () => retentionDrops(open));
}
