import type { AskInput } from "../lib/model/question.ts";
import type { ModelUsage } from "../lib/model/usage.ts";
import type { AgentClient } from "./agent-client.ts";
import type { AssignedTask } from "./payloads.ts";
import type { Child, SuspendOptions, TaskSuspension } from "./task-suspension.ts";

/** The task handler that a user writes, and its input. */

/** What a handler may use while it works on a task. */
export interface TaskContext {
  /** Aborts when the task is to be cancelled, the attempt was lost, or the worker stops; see HandlerAborted. */
  signal: AbortSignal;
  /**
   * Reports how far the work is, 0–100, and a note. Best effort: when reports come faster than they can be sent, only
   * the latest is; a report that cannot be delivered does not fail the task.
   */
  progress(percent?: number, note?: string): Promise<void>;
  /**
   * Moves the deadline to now + `seconds`, if that is later. @throws AgentCommunicationError LEASE_LOST. A rejection that
   * the handler does not wait for ends nothing.
   */
  extend(seconds: number): Promise<void>;
  /**
   * What the handler returns when it cannot go on until an answer, a time or the ends of children: the attempt ends without using a retry, and the task comes
   * again, to this agent if it has room, with `task.resume`.
   *
   * @example
   * if (task.resume === undefined) return context.suspend({ until: { at: tomorrow }, checkpoint: { page: 12 } });
   */
  suspend(options: SuspendOptions): TaskSuspension;
  /**
   * The same with a question to the supervisor, or to the agents in `askedOf`.
   *
   * @example
   * if (task.resume?.answer === undefined) return context.ask({ text: "Deploy?", options: ["yes", "no"] });
   */
  ask(question: AskInput, checkpoint?: SuspendOptions["checkpoint"]): TaskSuspension;
  /**
   * The same with children, which are created in the same step: the task comes again when all of them have ended, in whatever way. The
   * task must have been created with `children: { taskTypes }` that allow their types.
   *
   * @example
   * if (task.resume === undefined) return context.spawn(files.map((file) => ({ taskType: "resize", parameters: { file } })));
   */
  spawn(tasks: Child[], checkpoint?: SuspendOptions["checkpoint"]): TaskSuspension;
  /**
   * Adds what one call of a model has used, as `usageOf` reads it from the reply of the provider; undefined adds nothing. The sums of the
   * attempt are told to the service at once, one report at a time, and with the end of the attempt. Best effort: what cannot be
   * delivered, or is no usage, goes to the log and does not fail the task.
   *
   * @example
   * const reply = await anthropic.messages.create({ model: "claude-sonnet-4-5", max_tokens: 900, messages });
   * void context.addUsage(usageOf(reply));
   */
  addUsage(usage: ModelUsage | ModelUsage[] | undefined): Promise<void>;
  /** The same with the totals of the attempt so far, for handlers that sum themselves; a smaller number counts as the one before. */
  reportUsage(usage: ModelUsage | ModelUsage[]): Promise<void>;
  /** W3C Trace Context of the work on this attempt, for calls of others. `client` needs none where an SDK is registered. */
  traceparent: string | undefined;
  /** Passes a line to the worker's `onEvent`; it is not sent anywhere. */
  log(line: string): void;
  client: AgentClient;
}

/**
 * Works on one attempt. What it returns (JSON, or nothing) is the result, unless it is what `suspend`, `ask` or `spawn` gave; what it throws fails
 * the attempt.
 */
export type TaskHandler = (task: AssignedTask, context: TaskContext) => unknown;
