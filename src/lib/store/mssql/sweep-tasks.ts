import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import { NOTHING_SWEPT, type SweepPosition, type TaskSweep } from "../upkeep-runs.ts";
import { bigint } from "./batch.ts";
import { cancelOrphans } from "./cancel-task.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { reopenLeft } from "./retries.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** What the sweep does to tasks, in transactions of bounded size. */

/**
 * One bounded transaction of the sweep. Call it again with `next` until that is undefined:
 *
 * @example
 * let position: SweepPosition | undefined;
 * do { const swept = await sweepTasks(connection, position); position = swept.next; } while (position !== undefined);
 */
export async function sweepTasks(
  connection: Connection,
  position: SweepPosition = { step: "deadlines" },
): Promise<TaskSweep> {
  switch (position.step) {
    case "deadlines":
      return timeOut(connection);
    case "starts":
      return releaseUnstarted(connection);
    case "expiries":
      return endStep(connection, EXPIRE);
    case "questions":
      return endStep(connection, TIME_OUT_QUESTIONS);
    case "orphans":
      return swept({}, { step: (await cancelOrphans(connection)) ? "orphans" : "dependents" });
    case "dependents":
      return settleDependents(connection);
    case "demands":
      return handOutDemands(connection, position.after);
    case "named":
      return handOutNamed(connection, position.after);
  }
}

function swept(counts: Partial<Omit<TaskSweep, "next">>, next: SweepPosition | undefined): TaskSweep {
  return { ...NOTHING_SWEPT, ...counts, next };
}

/** Attempts ended in one transaction: each writes about ten rows. */
export const TIMEOUTS_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;

const TIME_OUT = upkeepStep<object, { found: number; timed_out: number; requeued: number }>({
  name: "time-out-tasks",
  // Leaves the dependents of those that fail to the next step.
  sql: procedure("time_out_tasks"),
});

/** Takes back attempts past their deadline. */
async function timeOut(connection: Connection): Promise<TaskSweep> {
  const { found, timed_out: tasksTimedOut, requeued: tasksRequeued } = await connection.run(TIME_OUT, {});
  const more = found === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksTimedOut, tasksRequeued }, { step: more ? "deadlines" : "starts" });
}

const RELEASE_UNSTARTED = upkeepStep<object, { found: number; released: number; requeued: number }>({
  name: "release-unstarted-tasks",
  sql: procedure("release_unstarted_tasks"),
});

/** Takes back attempts that nobody started in time: as released, in their old place. */
async function releaseUnstarted(connection: Connection): Promise<TaskSweep> {
  const { found, released, requeued: tasksRequeued } = await connection.run(RELEASE_UNSTARTED, {});
  const more = found === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksNotStarted: released, tasksRequeued }, { step: more ? "starts" : "expiries" });
}

const NEXT_DUE = procedure("next_task_due");

/** When the next sweep of tasks has something to do that time alone brings about. */
export async function nextTaskDue(connection: Connection, after: number): Promise<number | undefined> {
  const [row] = (await connection.query(NEXT_DUE, { after: bigint(after) })).rows<{ at: number | null }>(0);
  return row?.at ?? undefined;
}

interface Ended {
  found: number;
}

/** A step that ends what its time is over of; the dependents are the next step but one. */
const EXPIRE = upkeepStep<object, Ended>({ name: "expire-tasks", sql: procedure("expire_tasks") });
const TIME_OUT_QUESTIONS = upkeepStep<object, Ended>({
  name: "time-out-questions",
  sql: procedure("time_out_questions"),
});

async function endStep(connection: Connection, step: typeof EXPIRE): Promise<TaskSweep> {
  const { found } = await connection.run(step, {});
  const more = found === TIMEOUTS_PER_TRANSACTION;
  if (step === EXPIRE) return swept({ tasksExpired: found }, { step: more ? "expiries" : "questions" });
  return swept({ questionsTimedOut: found }, { step: more ? "questions" : "orphans" });
}

const TELL_DEPENDENTS = upkeepStep<object, { unblocked: number; more: boolean }>({
  name: "tell-dependents",
  sql: procedure("tell_dependents"),
});

/** Works off the dependents that calls have left; handing out what that unblocks is the next step. */
export async function tellDependents(connection: Connection): Promise<TaskSweep> {
  const { unblocked: tasksUnblocked, more } = await connection.run(TELL_DEPENDENTS, {});
  return swept({ tasksUnblocked }, more ? { step: "dependents" } : { step: "demands", after: 0 });
}

/** Goes on with tasks that were re-opened first: what ended because of them is open then. */
async function settleDependents(connection: Connection): Promise<TaskSweep> {
  if (await reopenLeft(connection)) return swept({}, { step: "dependents" });
  return tellDependents(connection);
}

export const HANDOUTS_PER_BATCH = 100;

interface HandedOut {
  handed_out: number;
  /** The last demand or agent that was looked at; null when there were none. */
  last: number | null;
  /** Whether there may be more behind it. */
  full: boolean;
}

/** Demands that somebody free can meet. */
const HAND_OUT_DEMANDS = upkeepStep<{ after: number }, HandedOut>({
  name: "hand-out-demands",
  encode: ({ after }) => ({ after }),
  sql: procedure("hand_out_demands"),
});

async function handOutDemands(connection: Connection, after: number): Promise<TaskSweep> {
  const { handed_out: tasksAssigned, last, full } = await connection.run(HAND_OUT_DEMANDS, { after });
  // Stopped at the limit: the same demands again, for they may have more.
  if (tasksAssigned === HANDOUTS_PER_BATCH) return swept({ tasksAssigned }, { step: "demands", after });
  return swept(
    { tasksAssigned },
    full && last !== null ? { step: "demands", after: last } : { step: "named", after: 0 },
  );
}

/** Agents that waiting tasks name and that have room. */
const HAND_OUT_NAMED = upkeepStep<{ after: number }, HandedOut>({
  name: "hand-out-named",
  encode: ({ after }) => ({ after }),
  sql: procedure("hand_out_named"),
});

async function handOutNamed(connection: Connection, after: number): Promise<TaskSweep> {
  const { handed_out: tasksAssigned, last, full } = await connection.run(HAND_OUT_NAMED, { after });
  if (tasksAssigned === HANDOUTS_PER_BATCH) return swept({ tasksAssigned }, { step: "named", after });
  return swept({ tasksAssigned }, full && last !== null ? { step: "named", after: last } : undefined);
}
