import type { AuditBlock, AuditBlockContents, AuditDigest } from "./audit.ts";
import { hashBlock, hashEntry, NO_PREVIOUS_HASH } from "./audit-chain.ts";

/** Computes the audit's hashes again, from what the API shows, and says what does not fit. */

/** Where the audit is read from: the client, or a store. */
export interface AuditSource {
  /** Blocks behind that number, oldest first. */
  blocksAfter(blockNo: number): AsyncIterable<AuditBlock>;
  contentsOf(blockNo: number): Promise<AuditBlockContents>;
}

export interface VerifyOptions {
  /** What was exported earlier: its block must still be there, with that hash. Verifying begins with it. */
  digest?: AuditDigest | undefined;
  /** From the first block on, whatever the digest; and looks for entries in blocks whose entries have been dropped, too. */
  all?: boolean | undefined;
}

export interface AuditProblem {
  blockNo: number;
  /** Where it is one entry. */
  entryNo?: number;
  problem: string;
}

/** What was looked at and found. Sound when there is no problem. */
export interface Verification {
  blocks: number;
  entries: number;
  /** Blocks whose entries retention has taken: of them only the chain can be verified. */
  dropped: number;
  /** The newest block, to be compared with, or kept as, a digest. */
  newest: { blockNo: number; hash: string };
  problems: AuditProblem[];
}

/** What is wrong inside one block. */
function problemsOf({ block, members, strays }: AuditBlockContents): AuditProblem[] {
  const { blockNo } = block;
  const problems: AuditProblem[] = [];
  for (const entryNo of strays) problems.push({ blockNo, entryNo, problem: "was inserted: it belongs to no block" });
  if (block.droppedAt !== undefined) {
    for (const { entryNo } of members) problems.push({ blockNo, entryNo, problem: "is in a block that was dropped" });
    return problems;
  }
  for (const { entryNo, hash, entry } of members) {
    if (entry === undefined) problems.push({ blockNo, entryNo, problem: "is missing" });
    else if (hashEntry(entry) !== hash) problems.push({ blockNo, entryNo, problem: "was changed" });
  }
  if (members.length !== block.entryCount) {
    problems.push({ blockNo, problem: `has ${members.length} entries, ${block.entryCount} were sealed` });
  }
  const { hash, droppedAt: _, ...header } = block;
  const hashes = members.map((member) => member.hash);
  if (hashBlock(header, hashes) !== hash) {
    problems.push({ blockNo, problem: "the block itself or the hashes of its entries were changed" });
  }
  return problems;
}

/**
 * Where a block does not follow the one before.
 *
 * @param expected its number
 * @param previous undefined before the first that is looked at
 */
function breaksOf(block: AuditBlock, expected: number, previous: AuditBlock | undefined): AuditProblem[] {
  const { blockNo } = block;
  if (blockNo !== expected) {
    const others = blockNo - expected === 1 ? "" : `, and so are the next up to ${blockNo - 1}`;
    return [{ blockNo: expected, problem: `is missing${others}` }];
  }
  const problems: AuditProblem[] = [];
  const previousHash = blockNo === 1 ? NO_PREVIOUS_HASH : previous?.hash;
  if (previousHash !== undefined && block.previousHash !== previousHash) {
    problems.push({ blockNo, problem: "the chain is broken: it follows another block than the one before it" });
  }
  if (block.droppedAt !== undefined && previous !== undefined && previous.droppedAt === undefined) {
    problems.push({ blockNo, problem: "was dropped, although an older one was not" });
  }
  return problems;
}

/**
 * Verifies the chain, every block and every entry in it.
 *
 * @throws whatever the source throws
 * @example
 * const { problems } = await verifyAudit(source, { digest });
 */
export async function verifyAudit(
  source: AuditSource,
  { digest, all = false }: VerifyOptions = {},
): Promise<Verification> {
  const start = all || digest === undefined ? 0 : Math.max(digest.blockNo - 1, 0);
  const report: Verification = {
    blocks: 0,
    entries: 0,
    dropped: 0,
    newest: { blockNo: 0, hash: NO_PREVIOUS_HASH },
    problems: [],
  };
  let previous: AuditBlock | undefined;
  let met = digest === undefined || digest.blockNo === 0;
  for await (const block of source.blocksAfter(start)) {
    const { blockNo, hash } = block;
    report.problems.push(...breaksOf(block, (previous?.blockNo ?? start) + 1, previous));
    if (blockNo === digest?.blockNo) {
      met = true;
      if (hash !== digest.hash) report.problems.push({ blockNo, problem: "has another hash than the digest" });
    }
    const contents = block.droppedAt === undefined || all ? await source.contentsOf(blockNo) : undefined;
    if (contents !== undefined) report.problems.push(...problemsOf(contents));
    report.blocks += 1;
    if (block.droppedAt === undefined) report.entries += contents?.members.length ?? 0;
    else report.dropped += 1;
    report.newest = { blockNo, hash };
    previous = block;
  }
  if (!met)
    report.problems.push({ blockNo: digest?.blockNo ?? 0, problem: "is in the digest, but not there any more" });
  return report;
}
