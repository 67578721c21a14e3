import { onAbort } from "../lib/model/on-abort.ts";
import { usageAttributes } from "../lib/model/usage-attributes.ts";
import type { AgentClient } from "./agent-client.ts";
import { AttemptEnding, type RunEnd } from "./attempt-ending.ts";
import { isLost } from "./attempt-errors.ts";
import { AttemptUsage } from "./attempt-usage.ts";
import { guardSignal } from "./guarded-signal.ts";
import { type AbortCause, errorText, HandlerAborted, isPermanent } from "./handler-errors.ts";
import type { AssignedTask } from "./payloads.ts";
import type { TaskContext, TaskHandler } from "./task-context.ts";
import { TaskProgress } from "./task-progress.ts";
import { asking, spawning, TaskSuspension } from "./task-suspension.ts";
import { inSpan } from "./tracing.ts";

export interface TaskRunOptions {
  client: AgentClient;
  agentId: string;
  task: AssignedTask;
  handle: TaskHandler;
  /** How long one call tries to deliver the result while the server does not answer; then comes the next call. */
  settleBudgetMilliseconds: number;
  /** How long a handler may go on after its attempt was lost; then its slot is free for other work. */
  lostHandlerMilliseconds: number;
  /** Monotonic milliseconds; the same clock that heartbeats are timed by. */
  elapsed(): number;
  onLog(line: string): void;
  onStarted(): void;
  /** The start or the result could not be reported; it is tried again. */
  onUnreported(error: unknown): void;
  /** A listener of the handler's signal threw. */
  onListenerFault(error: unknown): void;
  /** The handler did not end although its attempt was lost. */
  onOutlived(): void;
}

/** What came of a handler. `given up`: it was not waited for. */
type Handled = { returned: unknown } | { thrown: unknown } | { givenUp: string | undefined };

const STOPPED = "the worker stopped";

/** One attempt at one task: start, handle, report, complete or fail. */
export class TaskRun {
  readonly task: AssignedTask;
  readonly #options: TaskRunOptions;
  readonly #controller = new AbortController();
  /** Ends the wait between two calls: the attempt is lost, or given up. */
  readonly #wake = new AbortController();
  /** Ends the call under way as well. */
  readonly #stopped = new AbortController();
  readonly #attempt: { agentId: string; attempt: number };
  readonly #taskId: string;
  readonly #usage: AttemptUsage;
  readonly #ending: AttemptEnding;
  #lost = false;
  #abandoned: string | undefined;
  /** The `elapsed` at which the server had confirmed the start; a heartbeat sent later must list this attempt. */
  startedAt: number | undefined;
  /** Sent along with whatever is said about this attempt. */
  #traceparent: string | undefined;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.task = options.task;
    this.#taskId = options.task.taskId;
    this.#attempt = { agentId: options.agentId, attempt: options.task.attempt };
    this.#traceparent = options.task.traceparent;
    guardSignal(this.#controller.signal, options.onListenerFault);
    this.#usage = new AttemptUsage({
      client: options.client,
      taskId: this.#taskId,
      attempt: this.#attempt,
      signal: this.#stopped.signal,
      traceparent: () => this.#traceparent,
      onLog: options.onLog,
    });
    this.#ending = new AttemptEnding({
      client: options.client,
      taskId: this.#taskId,
      attempt: this.#attempt,
      usage: this.#usage,
      settleBudgetMilliseconds: options.settleBudgetMilliseconds,
      onUnreported: options.onUnreported,
      stopped: this.#stopped.signal,
      wake: this.#wake.signal,
      isLost: () => this.#lost,
      isAbandoned: () => this.#abandoned !== undefined,
      traceparent: () => this.#traceparent,
    });
  }

  /** Why the handler was asked to end, if it was. */
  get aborted(): AbortCause | undefined {
    const reason: unknown = this.#controller.signal.reason;
    return reason instanceof HandlerAborted ? reason.why : undefined;
  }

  /** Asks the handler to end. The handler sees the first cause; a loss counts even after another cause. */
  abort(why: AbortCause): void {
    this.#controller.abort(new HandlerAborted(why));
    if (why !== "lost") return;
    this.#lost = true;
    this.#wake.abort();
  }

  /**
   * Gives the attempt back although its handler goes on; what the handler returns later does not count. A result that is
   * being delivered already is delivered in its place.
   */
  abandon(error = STOPPED): void {
    this.#abandoned ??= error;
    this.#wake.abort();
  }

  /** Ends everything that is still being said about the attempt. */
  giveUp(): void {
    this.abandon();
    this.#stopped.abort(new HandlerAborted("stopping"));
  }

  /** Runs to the end; never throws. */
  run(): Promise<RunEnd> {
    const { taskType, traceparent } = this.task;
    const attributes = {
      "agent_communication.agent.id": this.#options.agentId,
      "agent_communication.task.id": this.#taskId,
      "agent_communication.attempt": this.#attempt.attempt,
    };
    const work = async (own: string | undefined) => {
      this.#traceparent = own;
      const end = await this.#run();
      // Money that was spent stays spent: of a lost attempt it is told alone.
      if (end.end === "lost") void this.#usage.tellRest();
      return end;
    };
    return inSpan({ name: `task ${taskType}`, kind: "consumer", traceparent, attributes }, work, ({ end }) => ({
      outcome: end,
      failed: end === "failed" || end === "unreported",
      attributes: usageAttributes(this.#usage.totals),
    }));
  }

  async #run(): Promise<RunEnd> {
    const { client, elapsed } = this.#options;
    if (this.#lost) return { end: "lost" };
    if (this.#abandoned === undefined) {
      try {
        const reply = await this.#ending.persist((options) => client.startTask(this.#taskId, this.#attempt, options));
        this.startedAt = elapsed();
        if (reply.cancelRequested) this.abort("cancelled");
      } catch (error) {
        if (isLost(error) || this.#lost) return { end: "lost" };
        if (this.#abandoned === undefined) return { end: "unreported", error };
      }
    }
    if (this.#lost) return { end: "lost" };
    if (this.#abandoned !== undefined) return this.#ending.fail(this.#abandoned, true);
    this.#options.onStarted();
    const handled = await this.#handle();
    if (this.#lost) return { end: "lost" };
    if ("givenUp" in handled) return this.#ending.fail(handled.givenUp ?? STOPPED, true);
    if ("thrown" in handled) return this.#ending.fail(errorText(handled.thrown), !isPermanent(handled.thrown));
    const { returned } = handled;
    return returned instanceof TaskSuspension
      ? this.#ending.suspend(returned.options)
      : this.#ending.complete(returned);
  }

  /** Runs the handler until it ends, or is not to be waited for any longer. */
  #handle(): Promise<Handled> {
    const { client, handle, lostHandlerMilliseconds, onOutlived } = this.#options;
    return new Promise((resolve) => {
      let cancel: () => void = () => undefined;
      const end = (handled: Handled) => {
        cancel();
        leave();
        resolve(handled);
      };
      // Lost, it may still end by itself, and keeps its slot so long; abandoned, it is not waited for.
      const leave = onAbort(this.#wake.signal, () => {
        if (this.#abandoned !== undefined) return resolve({ givenUp: this.#abandoned });
        cancel = client.clock.after(lostHandlerMilliseconds, () => {
          onOutlived();
          end({ givenUp: undefined });
        });
      });
      // A copy: what a handler does to its argument must not change what is reported.
      const work = async () => handle({ ...this.task }, this.#context());
      work().then(
        (returned) => end({ returned }),
        (thrown: unknown) => end({ thrown }),
      );
    });
  }

  #context(): TaskContext {
    const { client, onLog } = this.#options;
    const progress = new TaskProgress({
      client,
      taskId: this.#taskId,
      attempt: this.#attempt,
      signal: this.#controller.signal,
      traceparent: () => this.#traceparent,
      onCancelRequested: () => this.abort("cancelled"),
      onLost: () => this.abort("lost"),
      onLog,
    });
    return {
      signal: this.#controller.signal,
      client,
      traceparent: this.#traceparent,
      progress: (percent, note) => progress.report(percent, note),
      suspend: (options) => new TaskSuspension(options),
      ask: (question, checkpoint) => asking(question, checkpoint),
      spawn: (tasks, checkpoint) => spawning(tasks, checkpoint),
      extend: (seconds) => {
        const extending = this.#extend(seconds);
        // A handler that does not wait for it learns of a loss by its signal.
        extending.catch(() => undefined);
        return extending;
      },
      addUsage: (usage) => this.#usage.add(usage),
      reportUsage: (usage) => this.#usage.report(usage),
      log: onLog,
    };
  }

  async #extend(extendSeconds: number): Promise<void> {
    const body = { ...this.#attempt, extendSeconds };
    try {
      const options = { traceparent: this.#traceparent };
      const reply = await this.#options.client.progressTask(this.#taskId, body, options);
      if (reply.cancelRequested) this.abort("cancelled");
    } catch (error) {
      if (isLost(error)) this.abort("lost");
      throw error;
    }
  }
}
