import type { AskInput } from "../lib/model/question.ts";
import type { SuspendTaskInput } from "../lib/model/suspension.ts";

/** What a handler returns that cannot go on yet: the attempt ends, and a later one begins with what it leaves. */

/** A child as `spawn` takes it. */
export type Child = NonNullable<SuspendTaskInput["until"]["tasks"]>[number];

/** What wakes the task, and what the next attempt finds in `task.resume`. */
export type SuspendOptions = Pick<SuspendTaskInput, "checkpoint" | "until">;

/** Made by `suspend` and `ask` of a handler's context; the handler returns it. */
export class TaskSuspension {
  readonly options: SuspendOptions;

  constructor(options: SuspendOptions) {
    this.options = options;
  }
}

/** @returns what a handler returns to wait for an answer */
export function asking(question: AskInput, checkpoint: SuspendOptions["checkpoint"]): TaskSuspension {
  return new TaskSuspension({ until: { question }, ...(checkpoint === undefined ? {} : { checkpoint }) });
}

/** @returns what a handler returns to wait for the ends of children */
export function spawning(tasks: Child[], checkpoint: SuspendOptions["checkpoint"]): TaskSuspension {
  return new TaskSuspension({ until: { tasks }, ...(checkpoint === undefined ? {} : { checkpoint }) });
}
