import type { AuditBlock, AuditBlockContents, AuditDigest, AuditDigestReply } from "../../model/audit.ts";
import { counted } from "../../model/counted.ts";
import { isAgentCommunicationError } from "../../model/errors.ts";
import { hashBlock, hashEntry, NO_PREVIOUS_HASH } from "../../security/audit-chain.ts";

/** Computes the audit's hashes again, from what the API shows, and says what does not fit. */

const DAY_MILLISECONDS = 86_400_000;
/** Clocks of the processes that seal and drop may differ by this. */
const TOLERANCE_MILLISECONDS = 60_000;

/** Where the audit is read from: the client, or a store. */
export interface AuditSource {
  /** Blocks behind that number, oldest first. */
  blocksAfter(blockNo: number): AsyncIterable<AuditBlock>;
  contentsOf(blockNo: number): Promise<AuditBlockContents>;
}

/** What a verifier needs in addition to the blocks, from `GET /audit/digest`. */
export type AuditState = Pick<AuditDigestReply, "at" | "retentionDays" | "unsealed">;

export interface VerifyOptions {
  /** Without it drops are taken for those of the retention, and nothing is said of what is not sealed yet. */
  state?: AuditState | undefined;
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
  /** Entries that no block holds yet: nothing proves them. Counted up to 10,000. */
  unsealed?: AuditState["unsealed"];
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
    problems.push({
      blockNo,
      problem: `has ${counted(members.length, "entry", "entries")}, ${block.entryCount} were sealed`,
    });
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
    problems.push({ blockNo, problem: "the chain is broken: it does not follow the block before it" });
  }
  if (block.droppedAt !== undefined && previous !== undefined && previous.droppedAt === undefined) {
    problems.push({ blockNo, problem: "was dropped, although an older one was not" });
  }
  return problems;
}

/**
 * Drops that retention cannot have made: an entry goes when it is older than that, and never at a time in the future. The
 * header of a dropped block can be changed unnoticed, since the hashes of its entries are gone. The digest cannot, and the entries of
 * later blocks are younger than it, give or take the minute for which they wait: a day is allowed for.
 */
function earlyDrop(block: AuditBlock, state: AuditState, digest: AuditDigest | undefined): AuditProblem[] {
  const { blockNo, droppedAt, newestAt } = block;
  if (droppedAt === undefined) return [];
  const now = Date.parse(state.at) + TOLERANCE_MILLISECONDS;
  if (Date.parse(droppedAt) > now) return [{ blockNo, problem: `was dropped at ${droppedAt}, which is in the future` }];
  const kept = state.retentionDays * DAY_MILLISECONDS;
  const problem = `was dropped at ${droppedAt}, before its retention of ${counted(state.retentionDays, "day")} was over`;
  if (Date.parse(droppedAt) + TOLERANCE_MILLISECONDS < Date.parse(newestAt) + kept) return [{ blockNo, problem }];
  const known = digest?.sealedAt !== undefined && blockNo > digest.blockNo ? Date.parse(digest.sealedAt) : undefined;
  if (known !== undefined && now < known + kept - DAY_MILLISECONDS) {
    return [{ blockNo, problem: `${problem}: it is not older than the digest` }];
  }
  return [];
}

/**
 * What a block that cannot be read counts as: a finding. Whoever changes a row into one that no store can read must not be able to keep
 * the others from being verified.
 *
 * @throws the error, unless it is that of a service which failed at this block
 */
function unreadable(blockNo: number, error: unknown): AuditProblem {
  if (!isAgentCommunicationError(error, "INTERNAL")) throw error;
  return { blockNo, problem: "cannot be read: the service failed at it" };
}

/** As the source's, until it cannot read on. */
async function* readableBlocks(
  source: AuditSource,
  start: number,
  problems: AuditProblem[],
): AsyncIterable<AuditBlock> {
  let last = start;
  try {
    for await (const block of source.blocksAfter(start)) {
      yield block;
      last = block.blockNo;
    }
  } catch (error) {
    const { problem } = unreadable(last, error);
    problems.push({ blockNo: last + 1, problem: `${problem}, or at one behind it` });
  }
}

/** The problems inside a block, and how many entries it has now. */
async function lookInto(source: AuditSource, blockNo: number): Promise<{ problems: AuditProblem[]; entries: number }> {
  try {
    const contents = await source.contentsOf(blockNo);
    return { problems: problemsOf(contents), entries: contents.members.length };
  } catch (error) {
    return { problems: [unreadable(blockNo, error)], entries: 0 };
  }
}

/**
 * Verifies the chain, every block and every entry in it.
 *
 * @throws whatever the source throws, but that the service failed at a block (INTERNAL), which is a finding
 * @example
 * const { problems } = await verifyAudit(source, { digest });
 */
export async function verifyAudit(
  source: AuditSource,
  { state, digest, all = false }: VerifyOptions = {},
): Promise<Verification> {
  const start = all || digest === undefined ? 0 : Math.max(digest.blockNo - 1, 0);
  const report: Verification = {
    blocks: 0,
    entries: 0,
    dropped: 0,
    newest: { blockNo: 0, hash: NO_PREVIOUS_HASH },
    problems: [],
    ...(state === undefined ? {} : { unsealed: state.unsealed }),
  };
  let previous: AuditBlock | undefined;
  let met = digest === undefined || digest.blockNo === 0;
  for await (const block of readableBlocks(source, start, report.problems)) {
    const { blockNo, hash } = block;
    report.problems.push(...breaksOf(block, (previous?.blockNo ?? start) + 1, previous));
    if (state !== undefined) report.problems.push(...earlyDrop(block, state, digest));
    if (blockNo === digest?.blockNo) {
      met = true;
      if (hash !== digest.hash) report.problems.push({ blockNo, problem: "has a different hash from the digest" });
    }
    const seen = block.droppedAt === undefined || all ? await lookInto(source, blockNo) : undefined;
    if (seen !== undefined) report.problems.push(...seen.problems);
    report.blocks += 1;
    if (block.droppedAt === undefined) report.entries += seen?.entries ?? 0;
    else report.dropped += 1;
    report.newest = { blockNo, hash };
    previous = block;
  }
  if (previous?.droppedAt !== undefined) {
    const problem = "was dropped, although retention keeps the newest block";
    report.problems.push({ blockNo: previous.blockNo, problem });
  }
  if (!met) report.problems.push({ blockNo: digest?.blockNo ?? 0, problem: "is in the digest, but no longer exists" });
  return report;
}
