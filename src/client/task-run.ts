import { isAgentCommunicationError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import type { AgentClient } from "./agent-client.ts";
import { type AbortCause, errorText, HandlerAborted, PermanentError } from "./handler-errors.ts";
import type { AssignedTask } from "./payloads.ts";
import type { CallOptions } from "./route-caller.ts";
import { inSpan } from "./tracing.ts";

/** What a handler may use while it works on a task. */
export interface TaskContext {
  /** Aborts when the task is to be cancelled, the attempt was lost, or the worker stops; see HandlerAborted. */
  signal: AbortSignal;
  /**
   * Reports how far the work is, 0–100, and a note. Best effort: when reports come faster than they can be sent, only
   * the latest is; a report that cannot be delivered does not fail the task.
   */
  progress(percent?: number, note?: string): Promise<void>;
  /** Moves the deadline to now + `seconds`, if that is later. @throws AgentCommunicationError LEASE_LOST */
  extend(seconds: number): Promise<void>;
  /** W3C Trace Context of the work on this attempt, for calls of others. `client` needs none where an SDK is registered. */
  traceparent: string | undefined;
  /** Passes a line to the worker's `onEvent`; it is not sent anywhere. */
  log(line: string): void;
  client: AgentClient;
}

/** Works on one attempt. What it returns (JSON, or nothing) is the result; what it throws fails the attempt. */
export type TaskHandler = (task: AssignedTask, context: TaskContext) => unknown;

/** How an attempt ended, seen from the worker. `lost`: whatever it did does not count. */
export type RunEnd =
  | { end: "completed" }
  | { end: "failed"; error: string; retryable: boolean }
  | { end: "lost" }
  | { end: "unreported"; error: unknown };

export interface TaskRunOptions {
  client: AgentClient;
  agentId: string;
  task: AssignedTask;
  handle: TaskHandler;
  /** How long to try to deliver the result while the server does not answer. */
  settleBudgetMilliseconds: number;
  onLog(line: string): void;
  onStarted(): void;
}

/** Codes that mean: this attempt is not, or no longer, this worker's. */
const LOST_CODES = ["LEASE_LOST", "TASK_NOT_FOUND", "AGENT_DEREGISTERED", "AGENT_NOT_FOUND"] as const;

function isLost(error: unknown): boolean {
  return LOST_CODES.some((code) => isAgentCommunicationError(error, code));
}

/** One attempt at one task: start, handle, report, complete or fail. */
export class TaskRun {
  readonly task: AssignedTask;
  readonly #options: TaskRunOptions;
  readonly #controller = new AbortController();
  readonly #attempt: { agentId: string; attempt: number };
  #report: { percent?: number; note?: string } | undefined;
  #reporting: Promise<void> | undefined;
  /** Client's time at which the server had confirmed the start; a heartbeat sent later must list this attempt. */
  startedAt: number | undefined;
  /** Sent along with whatever is said about this attempt. */
  #traceparent: string | undefined;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.task = options.task;
    this.#attempt = { agentId: options.agentId, attempt: options.task.attempt };
    this.#traceparent = options.task.traceparent;
  }

  /** Why the handler was asked to end, if it was. */
  get aborted(): AbortCause | undefined {
    const reason: unknown = this.#controller.signal.reason;
    return reason instanceof HandlerAborted ? reason.why : undefined;
  }

  /** Asks the handler to end. The first cause stays. */
  abort(why: AbortCause): void {
    this.#controller.abort(new HandlerAborted(why));
  }

  /** Runs to the end; never throws. */
  run(): Promise<RunEnd> {
    const { taskId, taskType, attempt, traceparent } = this.task;
    const attributes = {
      "agent_communication.agent.id": this.#options.agentId,
      "agent_communication.task.id": taskId,
      "agent_communication.attempt": attempt,
    };
    const work = (own: string | undefined) => {
      this.#traceparent = own;
      return this.#run();
    };
    return inSpan({ name: `task ${taskType}`, kind: "consumer", traceparent, attributes }, work, ({ end }) => ({
      outcome: end,
      failed: end === "failed" || end === "unreported",
    }));
  }

  async #run(): Promise<RunEnd> {
    const { client, handle } = this.#options;
    try {
      const reply = await client.startTask(this.task.taskId, this.#attempt, { traceparent: this.#traceparent });
      this.startedAt = client.clock.now();
      if (reply.cancelRequested) this.abort("cancelled");
    } catch (error) {
      return isLost(error) ? { end: "lost" } : { end: "unreported", error };
    }
    if (this.aborted === "lost") return { end: "lost" };
    this.#options.onStarted();
    let result: unknown;
    try {
      result = await handle(this.task, this.#context());
    } catch (error) {
      return this.#fail(errorText(error), !(error instanceof PermanentError));
    }
    return this.#complete(result);
  }

  #context(): TaskContext {
    return {
      signal: this.#controller.signal,
      client: this.#options.client,
      traceparent: this.#traceparent,
      progress: (percent, note) => this.#progress(percent, note),
      extend: async (extendSeconds) => {
        const body = { ...this.#attempt, extendSeconds };
        await this.#options.client.progressTask(this.task.taskId, body, { traceparent: this.#traceparent });
      },
      log: (line) => this.#options.onLog(line),
    };
  }

  #progress(percent: number | undefined, note: string | undefined): Promise<void> {
    this.#report = {
      ...this.#report,
      ...(percent === undefined ? {} : { percent: Math.min(100, Math.max(0, percent)) }),
      ...(note === undefined ? {} : { note: errorText(note) }),
    };
    this.#reporting ??= this.#sendReports().finally(() => {
      this.#reporting = undefined;
    });
    return this.#reporting;
  }

  async #sendReports(): Promise<void> {
    while (this.#report !== undefined && !this.#controller.signal.aborted) {
      const report = this.#report;
      this.#report = undefined;
      try {
        const traceparent = this.#traceparent;
        const options = { signal: this.#controller.signal, retryBudgetMilliseconds: 2_000, traceparent };
        const body = { ...this.#attempt, ...report };
        const reply = await this.#options.client.progressTask(this.task.taskId, body, options);
        if (reply.cancelRequested) this.abort("cancelled");
      } catch (error) {
        if (isLost(error)) this.abort("lost");
        else if (!this.#controller.signal.aborted) this.#options.onLog(`progress not reported: ${errorText(error)}`);
      }
    }
  }

  #settling(): CallOptions {
    return { retryBudgetMilliseconds: this.#options.settleBudgetMilliseconds, traceparent: this.#traceparent };
  }

  async #complete(result: unknown): Promise<RunEnd> {
    if (this.aborted === "lost") return { end: "lost" };
    const { client } = this.#options;
    try {
      // Whatever the handler returned is checked by the server, which names what is not JSON or too large.
      const body = { ...this.#attempt, ...(result === undefined ? {} : { result: result as JsonValue }) };
      await client.completeTask(this.task.taskId, body, this.#settling());
      return { end: "completed" };
    } catch (error) {
      if (isLost(error)) return { end: "lost" };
      const refused =
        isAgentCommunicationError(error, "PAYLOAD_TOO_LARGE") || isAgentCommunicationError(error, "INVALID_REQUEST");
      // The same work would give the same result, so a retry would only fail again.
      if (refused) return this.#fail(`the result was refused: ${errorText(error)}`, false);
      return { end: "unreported", error };
    }
  }

  async #fail(error: string, retryable: boolean): Promise<RunEnd> {
    if (this.aborted === "lost") return { end: "lost" };
    const { client } = this.#options;
    try {
      const body = { ...this.#attempt, error, retryable };
      await client.failTask(this.task.taskId, body, this.#settling());
      return { end: "failed", error, retryable };
    } catch (failure) {
      return isLost(failure) ? { end: "lost" } : { end: "unreported", error: failure };
    }
  }

  /** Gives the attempt back although its handler goes on; what the handler returns later does not count. */
  async abandon(error: string): Promise<void> {
    await this.#fail(error, true);
  }
}
