import { DAY_MILLISECONDS } from "../instants.ts";
import { FAILED_OUTCOMES, LOST_OUTCOMES, RELEASED_OUTCOMES, sqlWords } from "../rules/task-outcomes.ts";
import type { Transaction } from "./transaction.ts";

/** What agents did in the last 30 days, recomputed from their attempts: takes out what has left the window, and sets the p95. */

const WINDOW_MILLISECONDS = 30 * DAY_MILLISECONDS;
/** Agents recomputed in one transaction: a busy one has thousands of attempts in the window. */
const AGENTS_PER_TRANSACTION = 50;
/** The p95 looks at the newest attempts, up to this many. */
const P95_SAMPLE = 10_000;

interface Figures {
  completed: number;
  failed: number;
  lost: number;
  released: number;
  completed_milliseconds: number;
  p95_milliseconds: number | null;
}

const AGENTS = `SELECT agent_no, completed, failed, lost, released, completed_milliseconds, p95_milliseconds FROM agents
  WHERE agent_no > ? ORDER BY agent_no LIMIT ?`;
const TOTALS = `SELECT count(*) FILTER (WHERE outcome = 'completed') AS completed,
    count(*) FILTER (WHERE outcome IN (${sqlWords(FAILED_OUTCOMES)})) AS failed,
    count(*) FILTER (WHERE outcome IN (${sqlWords(LOST_OUTCOMES)})) AS lost,
    count(*) FILTER (WHERE outcome IN (${sqlWords(RELEASED_OUTCOMES)})) AS released,
    coalesce(sum(ended_at - assigned_at) FILTER (WHERE outcome = 'completed'), 0) AS completed_milliseconds
  FROM task_attempts INDEXED BY task_attempts_of_agent WHERE agent_no = ? AND ended_at > ?`;
/** Nearest rank: the smallest duration that at least 95 of 100 do not exceed. */
const P95 = `WITH sample AS (SELECT ended_at - assigned_at AS duration FROM task_attempts INDEXED BY task_attempts_of_agent
    WHERE agent_no = ?1 AND ended_at > ?2 AND outcome = 'completed' ORDER BY ended_at DESC LIMIT ?3)
  SELECT duration FROM sample ORDER BY duration LIMIT 1 OFFSET (SELECT (count(*) * 95 + 99) / 100 - 1 FROM sample)`;
const UPDATE = `UPDATE agents SET completed = ?, failed = ?, lost = ?, released = ?, completed_milliseconds = ?, p95_milliseconds = ? WHERE agent_no = ?`;

/** Recomputes the agents after `after`. Where tasks are archived sooner than 30 days, the window is that much shorter. @returns how many changed */
export function refreshPerformance(
  transaction: Transaction,
  after: number,
): { done: number; next: number | undefined } {
  const agents = transaction.all<Figures & { agent_no: number }>(AGENTS, after, AGENTS_PER_TRANSACTION);
  let done = 0;
  for (const agent of agents) {
    const now = recompute(transaction, agent.agent_no);
    if (same(agent, now)) continue;
    // No count depends on these, so the narrow update will do.
    transaction.run(
      UPDATE,
      now.completed,
      now.failed,
      now.lost,
      now.released,
      now.completed_milliseconds,
      now.p95_milliseconds,
      agent.agent_no,
    );
    done += 1;
  }
  return { done, next: agents.length === AGENTS_PER_TRANSACTION ? agents.at(-1)?.agent_no : undefined };
}

function recompute(transaction: Transaction, agentNo: number): Figures {
  const since = transaction.now - WINDOW_MILLISECONDS;
  const totals = transaction.get<Omit<Figures, "p95_milliseconds">>(TOTALS, agentNo, since);
  if (totals === undefined) {
    return { completed: 0, failed: 0, lost: 0, released: 0, completed_milliseconds: 0, p95_milliseconds: null };
  }
  const p95 = transaction.get<{ duration: number }>(P95, agentNo, since, P95_SAMPLE)?.duration ?? null;
  return { ...totals, p95_milliseconds: p95 };
}

function same(a: Figures, b: Figures): boolean {
  return (
    a.completed === b.completed &&
    a.failed === b.failed &&
    a.lost === b.lost &&
    a.released === b.released &&
    a.completed_milliseconds === b.completed_milliseconds &&
    a.p95_milliseconds === b.p95_milliseconds
  );
}
