import type { AssignTaskReply, TaskStatus } from "../../model/task.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/**
 * Handing out waiting tasks in rank order: availableAt − headStart(priority), then the order of creation. Waiting tasks
 * are found in streams, one per demand (or named agent) and priority, whose heads are merged by rank. The cost grows with
 * the different demands that wait and that the agents meet, not with the tasks that wait.
 *
 * It runs after the commit of what made room or unblocked a task, in transactions of its own. Whoever makes room commits,
 * then looks for tasks; whoever lets a task wait commits, then looks for room: so one of the two sees the other.
 */

interface HandedOutRow extends OutcomeRow {
  status: TaskStatus;
  attempt: number;
  assigned_to: string | null;
}

const BATCH: Batch<number, Omit<AssignTaskReply, "taskId">> = {
  name: "hand-out-tasks",
  sql: procedure("hand_out_tasks"),
  encode: (taskNo) => ({ taskNo }),
  decode: (result, items) =>
    outcomeRows<HandedOutRow>(result, items).map(({ status, attempt, assigned_to: assignedTo }) => {
      const value = { status, attempt };
      return { value: assignedTo === null ? value : { ...value, assignedTo } };
    }),
  maxItems: 64,
};

/** Hands out a task that waits, in its turn among those of its demand. @returns how it stands then */
export function handOutTask(connection: Connection, taskNo: number): Promise<Omit<AssignTaskReply, "taskId">> {
  return connection.run(BATCH, taskNo);
}
