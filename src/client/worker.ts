import type { HeartbeatReply } from "../lib/model/agent.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentSession, registrationOf } from "./agent-session.ts";
import type { RunEnd } from "./attempt-ending.ts";
import { MessageRunner } from "./message-runner.ts";
import { type AssignedTask, forgeryReason, isForged, readAssignment, readCancel, resumeOf } from "./payloads.ts";
import { messageHandler } from "./question-answering.ts";
import { TaskRun } from "./task-run.ts";
import { TaskSlots } from "./task-slots.ts";
import { tell } from "./tell.ts";
import type { StopOptions, WorkerEvent, WorkerOptions } from "./worker-options.ts";

const DEFAULT_GRACE_MILLISECONDS = 30_000;
const DEFAULT_SETTLE_BUDGET_MILLISECONDS = 300_000;
/** After the grace, how long an aborted handler has to end by itself before its attempt is given back over its head. */
const ABORTED_HANDLER_MILLISECONDS = 2_000;
/** How long a worker that stops tries to give back what is left, and to deliver what it could not deliver before. */
const GIVE_BACK_MILLISECONDS = 5_000;
const DEFAULT_LOST_HANDLER_MILLISECONDS = 30_000;
const DRAIN_POLL_MILLISECONDS = 100;
const RECEIVE_MESSAGES = 10;
const TASK_TYPES = ["task_assignment", "task_cancel"];
/** Acted on, or handed to the handler of messages, only when the switchboard wrote them. */
const SYSTEM_TYPES = [...TASK_TYPES, "task_result", "task_question"];

const ENDED = { completed: "task_completed", suspended: "task_suspended", lost: "task_lost" } as const;

/**
 * An agent that does tasks: registers, sends heartbeats, takes what is assigned to it, runs the handler, reports.
 *
 * A handler must let the event loop run (await now and then): heartbeats are sent from the same thread. Give each
 * process its own agent id.
 *
 * @example
 * const worker = new Worker({
 *   client: new AgentClient({ baseUrl }),
 *   agentId: "resizer-1",
 *   capabilities: ["images"],
 *   handle: async (task, { signal, progress }) => {
 *     await progress(10, "fetching");
 *     return { width: 640 };
 *   },
 * });
 * await worker.start();
 * // … later:
 * await worker.stop();
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #client: AgentClient;
  readonly #session: AgentSession;
  readonly #messages: MessageRunner | undefined;
  readonly #slots: TaskSlots;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** What is being done about attempts that the service lists and this process does not hold. */
  readonly #adopting = new Map<string, Promise<void>>();
  /** When attempts ended: a heartbeat that was on its way meanwhile may still list them. */
  readonly #ended = new Map<string, number>();
  #draining = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#slots = new TaskSlots(options.maxConcurrentTasks ?? 1, (run, end) => this.#tell(run, end));
    const handle = messageHandler(options, (error) => this.#emit({ type: "error", during: "question", error }));
    this.#messages =
      handle &&
      new MessageRunner({
        client: options.client,
        agentId: options.agentId,
        handle,
        lostHandlerMilliseconds: options.lostHandlerMilliseconds ?? DEFAULT_LOST_HANDLER_MILLISECONDS,
        onError: (error, during) => this.#emit({ type: "error", during, error }),
      });
    this.#session = new AgentSession(options.client, registrationOf("worker", options), {
      wanted: () => this.#wanted(),
      onMessage: (message) => this.#take(message),
      onHeartbeat: (reply, askedAt) => this.#compare(reply, askedAt),
      onDeregistered: () => this.#loseAll(),
      onRefused: (error) => {
        this.#emit({ type: "credential_refused", error });
        // Nothing that a handler does could be reported any more.
        void this.stop({ graceMilliseconds: 0 });
      },
      onError: (error, during) => this.#emit({ type: "error", during, error }),
    });
  }

  /** Tasks whose handler runs or waits for a slot. */
  get activeTasks(): number {
    return this.#slots.size;
  }

  /**
   * Registers and begins to work; resolves when the agent is known. What an earlier process of this agent id had
   * started is given back with one retry used, because its handler is gone; what was only assigned to it is done here.
   * A second call gives the first one's promise, unless that has failed.
   *
   * @throws AgentCommunicationError when registering is refused
   */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    await this.#session.start();
    this.#emit({ type: "registered" });
    await Promise.all(this.#adopting.values());
  }

  /**
   * Takes no new work, finishes what it has within the grace, and resolves when all has ended. After the grace the
   * handlers are aborted and their tasks given back. A second call gives the first one's promise.
   */
  stop(options: StopOptions = {}): Promise<void> {
    // Not at once: a listener that is told of it may call stop itself.
    this.#stopping ??= Promise.resolve().then(() => this.#stop(options));
    return this.#stopping;
  }

  #emit(event: WorkerEvent): void {
    const { onEvent } = this.#options;
    if (onEvent === undefined) return;
    tell(
      () => onEvent(event),
      (error) => tell(() => onEvent({ type: "error", during: "event", error })),
    );
  }

  #wanted(): { maxMessages: number; types?: string[] } {
    const room = (this.#options.maxConcurrentMessages ?? RECEIVE_MESSAGES) - (this.#messages?.size ?? 0);
    if (this.#messages === undefined || this.#draining || room <= 0) {
      return { maxMessages: RECEIVE_MESSAGES, types: TASK_TYPES };
    }
    const others = this.#options.onMessage === undefined ? { types: [...TASK_TYPES, "task_question"] } : {};
    return { maxMessages: Math.min(room, 50), ...others };
  }

  #take(message: LeasedMessage): void {
    if (isForged(message, SYSTEM_TYPES)) {
      const reason = forgeryReason(message);
      this.#emit({ type: "error", during: "message", error: new Error(reason) });
      this.#settle(message, "dead_letter", reason);
    } else if (message.type === "task_assignment") {
      const task = readAssignment(message);
      if (task === undefined) this.#settle(message, "dead_letter");
      else this.#accept(task);
    } else if (message.type === "task_cancel") {
      const taskId = readCancel(message.payload);
      if (taskId !== undefined) this.#cancel(taskId);
      this.#settle(message, "complete");
    } else {
      this.#messages?.take(message);
    }
  }

  #settle(
    { messageId, attempt, traceparent }: LeasedMessage,
    outcome: "complete" | "dead_letter",
    reason?: string,
  ): void {
    const settlement = { messageId, attempt, outcome, ...(reason === undefined ? {} : { reason }) };
    this.#client
      .settleMessages({ agentId: this.#options.agentId, settlements: [settlement] }, { traceparent })
      .catch((error: unknown) => this.#emit({ type: "error", during: "settle", error }));
  }

  /** The message itself is completed by the server when the task starts. */
  #accept(task: AssignedTask): void {
    const { taskId, attempt } = task;
    const known = this.#slots.get(taskId);
    if (known !== undefined && known.task.attempt >= attempt) return;
    this.#slots.add(
      new TaskRun({
        client: this.#client,
        agentId: this.#options.agentId,
        task,
        handle: this.#options.handle,
        settleBudgetMilliseconds: this.#options.settleBudgetMilliseconds ?? DEFAULT_SETTLE_BUDGET_MILLISECONDS,
        lostHandlerMilliseconds: this.#options.lostHandlerMilliseconds ?? DEFAULT_LOST_HANDLER_MILLISECONDS,
        elapsed: this.#session.elapsed,
        onStarted: () => this.#emit({ type: "task_started", taskId, attempt }),
        onUnreported: (error) => this.#emit({ type: "task_unreported", taskId, attempt, error }),
        onListenerFault: (error) => this.#emit({ type: "error", during: "abort listener", error }),
        onOutlived: () => {
          const error = new Error(`the handler of task ${taskId} is still running although attempt ${attempt} is lost`);
          this.#emit({ type: "error", during: "handler", error });
        },
        onLog: (line) => this.#emit({ type: "log", taskId, line }),
      }),
    );
  }

  #tell({ task: { taskId, attempt } }: TaskRun, end: RunEnd): void {
    this.#ended.set(`${attempt} ${taskId}`, this.#session.elapsed());
    if (end.end === "failed") {
      this.#emit({ type: "task_failed", taskId, attempt, error: end.error, retryable: end.retryable });
    } else if (end.end === "unreported") {
      this.#emit({ type: "task_unreported", taskId, attempt, error: end.error });
    } else {
      this.#emit({ type: ENDED[end.end], taskId, attempt });
    }
  }

  #cancel(taskId: string): void {
    const run = this.#slots.get(taskId);
    if (run === undefined || run.aborted !== undefined) return;
    this.#emit({ type: "task_cancel_requested", taskId, attempt: run.task.attempt });
    run.abort("cancelled");
  }

  /** A heartbeat tells what the server thinks this worker has: what that is and is not here goes back at once. */
  #compare(reply: HeartbeatReply, askedAt: number): void {
    const attempts = new Map(reply.tasks.map((task) => [task.taskId, task]));
    for (const run of this.#slots.runs()) {
      const { taskId } = run.task;
      const listed = attempts.get(taskId);
      if (listed?.attempt === run.task.attempt) {
        if (listed.cancelRequested) this.#cancel(taskId);
      } else if (run.startedAt !== undefined && run.startedAt < askedAt) {
        // Started before this heartbeat was sent, and the server does not have it any more.
        run.abort("lost");
      }
    }
    for (const { taskId, attempt } of reply.tasks) this.#claim(taskId, attempt, askedAt);
    for (const [ended, at] of this.#ended) if (at < askedAt) this.#ended.delete(ended);
  }

  /** Takes on, or gives back, an attempt that is not here although the service has it here. */
  #claim(taskId: string, attempt: number, askedAt: number): void {
    const held = this.#slots.get(taskId);
    if (held !== undefined && held.task.attempt >= attempt) return;
    const key = `${attempt} ${taskId}`;
    if (this.#adopting.has(key) || (this.#ended.get(key) ?? Number.NEGATIVE_INFINITY) >= askedAt) return;
    // One after the other: a worker of 10,000 slots does not ask for 10,000 tasks at once.
    const before = [...this.#adopting.values()].at(-1);
    const work = async () => {
      await before;
      await this.#adopt(taskId, attempt);
      this.#adopting.delete(key);
    };
    this.#adopting.set(key, work());
  }

  #loseAll(): void {
    this.#emit({ type: "deregistered" });
    this.#slots.abortAll("lost");
  }

  async #adopt(taskId: string, attempt: number): Promise<void> {
    try {
      const task = await this.#client.getTask(taskId);
      const { status, taskType, description, parameters, deadline, traceparent } = task;
      if (task.attempt !== attempt || (this.#slots.get(taskId)?.task.attempt ?? 0) >= attempt) return;
      if (status === "assigned" && deadline !== undefined) {
        const alone = task.dependsOn.length === 0 && task.resumedBy !== "children_ended";
        const { dependencies, children = undefined } = alone
          ? { dependencies: [] }
          : await this.#client.getTaskDependencies(taskId);
        // It may have come meanwhile.
        if ((this.#slots.get(taskId)?.task.attempt ?? 0) >= attempt) return;
        const assigned = { taskId, attempt, taskType, description, parameters, deadline, dependencies, traceparent };
        const resume = resumeOf(task, children);
        this.#accept(resume === undefined ? assigned : { ...assigned, resume });
      } else if (status === "running") {
        // Its handler is gone with the process that started it: it is done anew now, and not only after its deadline.
        const error = "the worker's process ended during this attempt";
        await this.#client.failTask(taskId, { agentId: this.#options.agentId, attempt, error }, { traceparent });
      }
    } catch (error) {
      this.#emit({ type: "error", during: "adopt", error });
    }
  }

  async #stop({ graceMilliseconds = DEFAULT_GRACE_MILLISECONDS, deregister = false }: StopOptions): Promise<void> {
    this.#draining = true;
    this.#emit({ type: "draining" });
    this.#session.drain();
    await this.#within(graceMilliseconds, (over) => this.#finish(over));
    this.#slots.abortAll("stopping");
    this.#messages?.abort();
    await this.#within(ABORTED_HANDLER_MILLISECONDS, () => this.#idle());
    if (deregister) {
      await this.#quietly("deregister", () => this.#client.deregisterAgent(this.#options.agentId));
      this.#slots.abortAll("lost");
    } else {
      for (const run of this.#slots.runs()) run.abandon();
      await this.#within(GIVE_BACK_MILLISECONDS, () => this.#slots.idle());
    }
    for (const run of this.#slots.runs()) run.giveUp();
    this.#messages?.giveUp();
    await this.#session.stop();
    this.#emit({ type: "stopped" });
  }

  async #idle(): Promise<void> {
    await this.#messages?.idle();
    await this.#slots.idle();
  }

  /** Until neither this process nor the server has anything left for this worker. */
  async #finish(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.#idle();
      if (over.aborted) return;
      try {
        const { tasks } = await this.#session.beat();
        if (tasks.length === 0 && !this.#slots.busy) return;
      } catch (error) {
        // Without an answer nothing more can arrive; the server will notice the silence.
        return this.#emit({ type: "error", during: "drain", error });
      }
      await this.#client.clock.sleep(DRAIN_POLL_MILLISECONDS, over);
    }
  }

  /** Runs `work` for at most so long; it is told when its time is over, and not waited for any longer. */
  async #within(milliseconds: number, work: (over: AbortSignal) => Promise<void>): Promise<void> {
    const over = new AbortController();
    const done = work(over.signal).finally(() => over.abort());
    await Promise.race([done, this.#client.clock.sleep(milliseconds, over.signal)]);
    over.abort();
  }

  async #quietly(during: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#emit({ type: "error", during, error });
    }
  }
}
