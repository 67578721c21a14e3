import type { TaskReply, TaskStatus } from "../../model/task.ts";
import { actorOf } from "../../trace/call-context.ts";
import { iso } from "../instants.ts";
import { PARENT_ENDED } from "../rules/children.ts";
import { taskEnded, taskNotFound } from "../task-records.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** An assignment that has not been started is taken back: its message ends, so the worker never sees it or loses the lease. */
const SQL = procedure("cancel_tasks");

interface Cancel {
  taskId: string;
  reason: string | undefined;
}

interface CancelRow extends OutcomeRow {
  status: TaskStatus | null;
  deadline_at: number | null;
  orphans: number;
}

const NO_ROW = { code: null, status: null, deadline_at: null, orphans: 0 };

/** `orphans`: it waited for children, which are to be cancelled. */
type Cancelled = TaskReply & { orphans: boolean };

const CANCELS: Batch<Cancel, Cancelled> = {
  name: "cancel-tasks",
  sql: SQL,
  encode: ({ taskId, reason }) => ({
    task_id: taskId,
    actor: actorOf(),
    reason: reason === undefined ? null : itemText(reason),
  }),
  decode,
  maxItems: 64,
  conflictKey: ({ taskId }) => taskId,
};

function decode(result: BatchResult, calls: readonly Cancel[]): Outcome<Cancelled>[] {
  const rows = outcomeRows<CancelRow>(result, calls);
  return calls.map(({ taskId }, item) => {
    const { code, status, deadline_at, orphans } = rows[item] ?? NO_ROW;
    if (status === null) return { refusal: taskNotFound(taskId) };
    if (code !== null) return { refusal: taskEnded(taskId, status) };
    if (status !== "running") {
      return { value: { taskId, status: "cancelled", cancelRequested: true, orphans: orphans === 1 } };
    }
    const deadline = deadline_at === null ? {} : { deadline: iso(deadline_at) };
    return { value: { taskId, status, cancelRequested: true, orphans: false, ...deadline } };
  });
}

/**
 * Ends a blocked, pending or assigned task at once; of a running one it is a request. Cancelling again answers again.
 *
 * @throws TASK_NOT_FOUND, TASK_ENDED
 */
export async function cancelTask(
  connection: Connection,
  taskId: string,
  reason: string | undefined,
): Promise<TaskReply> {
  const { orphans, ...reply } = await connection.run(CANCELS, { taskId, reason });
  if (orphans) await cancelOrphans(connection);
  return reply;
}

/** Cancels tasks together, so that none of them fails because of another of them; those that have ended meanwhile stay as they are. */
export async function cancelTasks(
  connection: Connection,
  taskIds: readonly string[],
  reason: string | undefined,
): Promise<void> {
  const items = taskIds.map((taskId, item) => ({ item, ...CANCELS.encode({ taskId, reason }) }));
  await connection.query(SQL, { items: text(JSON.stringify(items)) });
}

const FIND_ORPHANS = procedure("find_orphans");

/** Cancels open children of tasks that have ended, and theirs, as many as a transaction takes. @returns whether there are more */
export async function cancelOrphans(connection: Connection): Promise<boolean> {
  const found = (await connection.query(FIND_ORPHANS, {})).rows<{ task_id: string }>(0);
  if (found.length === 0) return false;
  await cancelTasks(
    connection,
    found.map((child) => child.task_id),
    PARENT_ENDED,
  );
  return true;
}
