import { DAY_MILLISECONDS } from "../instants.ts";
import { bigint, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** What agents did in the last 30 days, recomputed from their attempts: takes out what has left the window, and sets the p95. */

const WINDOW_MILLISECONDS = 30 * DAY_MILLISECONDS;
/** Agents recomputed in one batch: a busy one has thousands of attempts in the window. */
const AGENTS_PER_BATCH = 50;

/**
 * The figures are read before the attempts, and written only where they still are what they were: an attempt that ends in
 * between has added itself to its agent, whose turn then comes with the next run. (The outcomes are those of
 * leave-agents. p95 by nearest rank: the smallest duration that at least 95 of 100 do not exceed.)
 */
const SQL = procedure("refresh_performance");

/** Recomputes the agents after `after`. Where tasks are archived sooner than 30 days, the window is that much shorter. @returns how many changed */
export async function refreshPerformance(
  connection: Connection,
  after: number,
): Promise<{ done: number; next: number | undefined }> {
  const result = await connection.query(SQL, {
    after: int(after),
    agents: int(AGENTS_PER_BATCH),
    windowMilliseconds: bigint(WINDOW_MILLISECONDS),
  });
  const [page] = result.rows<{ agents: number; last: number | null }>(0);
  const [written] = result.rows<{ changed: number }>(1);
  const more = page !== undefined && page.last !== null && page.agents === AGENTS_PER_BATCH;
  return { done: written?.changed ?? 0, next: more ? (page.last ?? undefined) : undefined };
}
