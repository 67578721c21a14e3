import { newId } from "../../model/ids.ts";
import type { AssignTaskReply, TaskStatus } from "../../model/task.ts";
import type { NewTask } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { handOutTask } from "./hand-out.ts";
import { encodeNewTask, type NewTaskCall, refusalOf } from "./new-tasks.ts";
import { procedure } from "./procedures.ts";

export { getAssignments, getTask, getTaskHistory, listTasks } from "./task-reading.ts";

const ASSIGN = procedure("assign_tasks");
/** The commonest call, alone: scalars instead of a plan. Whatever else it meets it leaves undecided, and writes nothing. */
const ASSIGN_ONE = procedure("assign_task");

/** Whether assign_task can try it. */
function isPlain({ assignTo, dependsOn, preferredCapabilities, ...task }: NewTask): boolean {
  const named = assignTo !== undefined || dependsOn.length > 0 || preferredCapabilities.length > 0;
  return (
    !named &&
    [task.expiresAt, task.question, task.startTimeoutSeconds, task.children].every((more) => more === undefined)
  );
}

interface AssignedRow extends OutcomeRow {
  task_no: number;
  task_id: string;
  status: TaskStatus;
  attempt: number;
  assigned_to: string | null;
  duplicate: number;
  wakes: number;
  free: number;
  undecided: number;
}

/** What the batch says of a call. */
interface Assigned {
  reply: AssignTaskReply & { duplicate: boolean };
  /** The supervisor had fallen silent. */
  wakes: boolean;
  /** The task waits although somebody could take it. */
  free: number | undefined;
  /** assign_task has left it to assign_tasks. */
  undecided: boolean;
}

const BATCH: Batch<NewTaskCall, Assigned> = {
  name: "assign-tasks",
  sql: (calls) => (calls.length === 1 && calls[0]?.plain ? ASSIGN_ONE : ASSIGN),
  encode: encodeNewTask,
  decode: (result, calls) =>
    outcomeRows<AssignedRow>(result, calls).map((row, item): Outcome<Assigned> => {
      const call = calls[item];
      const refusal = call && refusalOf(row, call.task);
      return refusal === undefined ? { value: readAssigned(row) } : { refusal };
    }),
  maxItems: 64,
  conflictKey: ({ task }) => task.idempotencyKey ?? task.taskId,
};

function readAssigned(row: AssignedRow): Assigned {
  const { task_id: taskId, status, attempt, assigned_to: assignedTo } = row;
  const reply = { taskId, status, attempt, duplicate: row.duplicate === 1 };
  return {
    reply: assignedTo === null ? reply : { ...reply, assignedTo },
    wakes: row.wakes === 1,
    free: row.free === 1 ? row.task_no : undefined,
    undecided: row.undecided === 1,
  };
}

/**
 * Creates the task and gives it to the best worker that can take it, or lets it wait; one that depends on a task that did
 * not complete fails at once.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, DEPENDENCY_INVALID, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export async function assignTask(
  connection: Connection,
  task: NewTask,
): Promise<AssignTaskReply & { duplicate: boolean }> {
  const call = { task, operationId: newId(connection.clock.now()), plain: isPlain(task) };
  let assigned = await connection.run(BATCH, call);
  if (assigned.undecided) assigned = await connection.run(BATCH, { ...call, plain: false });
  if (assigned.wakes) await wakeAgent(connection, task.supervisor);
  if (assigned.free === undefined) return assigned.reply;
  return { ...assigned.reply, ...(await handOutTask(connection, assigned.free)) };
}
