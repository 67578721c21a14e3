import { stopwatch } from "../lib/model/clock.ts";
import type { CallOptions } from "./route-caller.ts";
import type { ReplyOf } from "./route-types.ts";
import type { TaskClient } from "./task-client.ts";

type Task = ReplyOf<"GET /tasks/{taskId}">;

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

function hasEnded({ status }: Task): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
