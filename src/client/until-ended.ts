import { stopwatch } from "../lib/model/clock.ts";
import type { CallOptions } from "./route-caller.ts";
import type { ReplyOf } from "./route-types.ts";
import type { TaskClient } from "./task-client.ts";

type Task = ReplyOf<"GET /tasks/{taskId}">;
type Workflow = ReplyOf<"GET /workflows/{workflowId}">;

const WAIT_SECONDS = 20;
/** An unchanged task that comes sooner than this is not the end of a wait: the host stops, and another one takes its place. */
const EARLY_MILLISECONDS = 500;

/** Asks for the task in long polls until it has ended. */
export async function untilEnded(client: TaskClient, taskId: string, options?: CallOptions): Promise<Task> {
  let task = await client.getTask(taskId, options);
  while (!hasEnded(task)) {
    const { version } = task;
    const elapsed = stopwatch();
    task = await client.watchTask(taskId, { afterVersion: version, waitSeconds: WAIT_SECONDS }, options);
    if (!hasEnded(task) && task.version === version && elapsed() < EARLY_MILLISECONDS) {
      await client.clock.sleep(EARLY_MILLISECONDS, options?.signal);
      options?.signal?.throwIfAborted();
    }
  }
  return task;
}

/** Waits for one open task of the workflow after the other: it ends with the last of them, in the same step. */
export async function untilWorkflowEnded(
  client: TaskClient,
  workflowId: string,
  options?: CallOptions,
): Promise<Workflow> {
  for (;;) {
    const workflow = await client.getWorkflow(workflowId, options);
    // The last: it waits for most of the others.
    const open = workflow.tasks.findLast((task) => !hasEnded(task));
    if (workflow.status !== "running" || open === undefined) return workflow;
    await untilEnded(client, open.taskId, options);
  }
}

function hasEnded({ status }: Pick<Task, "status">): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
