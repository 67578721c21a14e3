import { hash } from "node:crypto";
import type { AuditBlock, AuditEntry } from "../model/audit.ts";

/**
 * How the audit is sealed: every entry has a hash, and the hash of a block covers those of its entries and that of the block
 * before. The exact bytes are in docs/audit.md, so that anybody can compute them from what `GET /audit/…` shows; they never
 * change.
 */

/** What the first block has for the hash of the one before. */
export const NO_PREVIOUS_HASH: string = "0".repeat(64);

/** What the hash of a block covers of its own row: whatever is known when it is sealed. */
export type BlockHeader = Omit<AuditBlock, "hash" | "droppedAt">;

const sha256 = (text: string): string => hash("sha256", text, "hex");

/**
 * JSON without blanks, its keys in alphabetical order (RFC 8785 for what the audit holds): the members are written down in that
 * order, and those of the detail are sorted.
 */
function canonicalEntry({ entryNo, at, actor, action, subjectKind, subjectId, detail }: AuditEntry): string {
  const sorted = Object.fromEntries(Object.entries(detail).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify({ action, actor, at, detail: sorted, entryNo, subjectId, subjectKind });
}

function canonicalHeader(header: BlockHeader): string {
  const { blockNo, entryCount, firstEntryNo, floorNo, lastEntryNo, newestAt, previousHash, sealedAt } = header;
  return JSON.stringify({
    blockNo,
    entryCount,
    firstEntryNo,
    floorNo,
    lastEntryNo,
    newestAt,
    previousHash,
    sealedAt,
  });
}

/** SHA-256 (64 hexadecimal digits) of the entry as canonical JSON, in UTF-8. */
export function hashEntry(entry: AuditEntry): string {
  return sha256(canonicalEntry(entry));
}

/**
 * SHA-256 of lines, each ended by a line feed: the block as canonical JSON, then the hashes of its entries in the order of their
 * numbers.
 */
export function hashBlock(header: BlockHeader, entryHashes: readonly string[]): string {
  return sha256([canonicalHeader(header), ...entryHashes, ""].join("\n"));
}
