import type { AuditBlock, ListAuditQuery } from "../model/audit.ts";
import { type AuditRow, type AuditWindow, auditPage, auditWindow } from "./audit-reading.ts";
import {
  type BlockRow,
  type MemberRow,
  readBlock,
  readContents,
  readUnsealed,
  type UnsealedRow,
} from "./audit-sealing.ts";
import { type List, listPage } from "./list-page.ts";
import { auditBlockNotFound } from "./refusals.ts";
import type { Store } from "./store.ts";

/** The verbs of the audit, over what an engine reads and writes. */

/** A block with its members, the entries that are there of them, and entries that should be in a block up to it, and are in none. */
interface FoundBlock {
  block: BlockRow;
  members: readonly MemberRow[];
  entries: readonly AuditRow[];
  strays: readonly { entry_no: number }[];
}

/** What an engine does for the audit. */
export interface AuditEngine {
  /** `stopped`: the last entry that was looked at, where looking stopped. */
  list(
    window: AuditWindow,
    query: ListAuditQuery,
  ): Promise<{ entries: readonly AuditRow[]; stopped: { entry_no: number } | undefined }>;
  record: Store["recordAudit"];
  blocks(after: number, rows: number): Promise<readonly BlockRow[]>;
  block(blockNo: number): Promise<FoundBlock | undefined>;
  newest(): Promise<BlockRow | undefined>;
  unsealed(): Promise<UnsealedRow | undefined>;
}

const BLOCKS: List<BlockRow, AuditBlock> = { shape: 1, read: readBlock, positionOf: (row) => [row.block_no] };

/** The verbs of the store that are about the audit. */
export function auditVerbs(engine: AuditEngine) {
  return {
    async listAudit(query) {
      const window = auditWindow(query);
      const { entries, stopped } = await engine.list(window, query);
      return auditPage(window, query.limit, entries, stopped?.entry_no);
    },
    recordAudit: engine.record,
    async listAuditBlocks({ after: from, ...page }) {
      const { after, rows, take } = listPage(BLOCKS, { list: "audit-blocks", after: from }, page);
      return take(await engine.blocks(Number(after?.[0] ?? from), rows));
    },
    async getAuditBlock(blockNo) {
      const found = await engine.block(blockNo);
      if (found === undefined) throw auditBlockNotFound(blockNo);
      return readContents(readBlock(found.block), found.members, found.entries, found.strays);
    },
    async newestAuditBlock() {
      const row = await engine.newest();
      return row && readBlock(row);
    },
    unsealedAudit: async () => readUnsealed((await engine.unsealed()) ?? { count: 0, oldest_at: null }),
  } satisfies Partial<Store>;
}
