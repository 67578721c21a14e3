import type { HeartbeatReply } from "../lib/agents/agent.ts";
import type { LeasedMessage } from "../lib/messages/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentSession } from "./agent-session.ts";
import { type MessageHandler, MessageRunner } from "./message-runner.ts";
import { type AssignedTask, readAssignment, readCancel } from "./payloads.ts";
import { type TaskHandler, TaskRun } from "./task-run.ts";

/** What a worker is made of. */
export interface WorkerOptions {
  client: AgentClient;
  agentId: string;
  capabilities?: string[] | undefined;
  /** Tasks at the same time, 0–10,000. Default 1. */
  maxConcurrentTasks?: number | undefined;
  metadata?: Record<string, string | number | boolean | null> | undefined;
  /** Works on a task. */
  handle: TaskHandler;
  /** Handles every other message; without it they stay in the mailbox. */
  onMessage?: MessageHandler | undefined;
  /** Other messages at the same time. Default 10. */
  maxConcurrentMessages?: number | undefined;
  /** Told everything worth a line in a log; must not throw. */
  onEvent?: ((event: WorkerEvent) => void) | undefined;
  /** How long to try to deliver a result while the server does not answer. Default 300,000. */
  settleBudgetMilliseconds?: number | undefined;
}

export type WorkerEvent =
  | { type: "registered" | "deregistered" | "draining" | "stopped" }
  | { type: "task_started" | "task_completed" | "task_lost" | "task_cancel_requested"; taskId: string; attempt: number }
  | { type: "task_failed"; taskId: string; attempt: number; error: string; retryable: boolean }
  | { type: "task_unreported"; taskId: string; attempt: number; error: unknown }
  | { type: "log"; taskId: string; line: string }
  | { type: "error"; during: string; error: unknown };

export interface StopOptions {
  /** How long running handlers may go on. Default 30,000. */
  graceMilliseconds?: number | undefined;
  /** Also deregister: gives back what is left without using a retry, and dead-letters what waits in the mailbox. */
  deregister?: boolean | undefined;
}

const DEFAULT_GRACE_MILLISECONDS = 30_000;
const DEFAULT_SETTLE_BUDGET_MILLISECONDS = 300_000;
/** After the grace, how long an aborted handler has to end by itself before its attempt is given back over its head. */
const ABORTED_HANDLER_MILLISECONDS = 2_000;
const DRAIN_POLL_MILLISECONDS = 100;
const RECEIVE_MESSAGES = 10;
const TASK_TYPES = ["task_assignment", "task_cancel"];

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
  readonly #maxRuns: number;
  /** By task id: at most one attempt of a task is of interest. */
  readonly #runs = new Map<string, TaskRun>();
  readonly #waiting: TaskRun[] = [];
  /** Handlers that have not ended, those of lost attempts included: they hold a slot of this process. */
  readonly #active = new Set<Promise<void>>();
  #stopping: Promise<void> | undefined;
  #draining = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#maxRuns = options.maxConcurrentTasks ?? 1;
    const onError = (error: unknown) => this.#emit({ type: "error", during: "message", error });
    this.#messages =
      options.onMessage && new MessageRunner(options.client, options.agentId, options.onMessage, onError);
    this.#session = new AgentSession(
      options.client,
      {
        agentId: options.agentId,
        role: "worker",
        capabilities: options.capabilities ?? [],
        maxConcurrentTasks: this.#maxRuns,
        ...(options.metadata === undefined ? {} : { metadata: options.metadata }),
      },
      {
        wanted: () => this.#wanted(),
        onMessage: (message) => this.#take(message),
        onHeartbeat: (reply, askedAt) => this.#compare(reply, askedAt),
        onDeregistered: () => this.#loseAll(),
        onError: (error, during) => this.#emit({ type: "error", during, error }),
      },
    );
  }

  /** Tasks whose handler runs or waits for a slot. */
  get activeTasks(): number {
    return this.#runs.size;
  }

  /**
   * Registers and begins to work; resolves when the agent is known. What an earlier process of this agent id had
   * started is given back with one retry used, because its handler is gone; what was only assigned to it is done here.
   *
   * @throws AgentCommunicationError when registering is refused
   */
  async start(): Promise<void> {
    const { tasks } = await this.#session.start();
    this.#emit({ type: "registered" });
    for (const { taskId, attempt } of tasks) await this.#adopt(taskId, attempt);
  }

  /**
   * Takes no new work, finishes what it has within the grace, and resolves when all has ended. After the grace the
   * handlers are aborted and their tasks given back. A second call gives the first one's promise.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  #emit(event: WorkerEvent): void {
    this.#options.onEvent?.(event);
  }

  #wanted(): { maxMessages: number; types?: string[] } {
    const room = (this.#options.maxConcurrentMessages ?? RECEIVE_MESSAGES) - (this.#messages?.size ?? 0);
    if (this.#messages === undefined || this.#draining || room <= 0) {
      return { maxMessages: RECEIVE_MESSAGES, types: TASK_TYPES };
    }
    return { maxMessages: Math.min(room, 50) };
  }

  #take(message: LeasedMessage): void {
    if (message.type === "task_assignment") {
      const task = readAssignment(message.payload);
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

  #settle({ messageId, attempt }: LeasedMessage, outcome: "complete" | "dead_letter"): void {
    const settlement = { messageId, attempt, outcome };
    this.#client
      .settleMessages({ agentId: this.#options.agentId, settlements: [settlement] })
      .catch((error: unknown) => this.#emit({ type: "error", during: "settle", error }));
  }

  /** The message itself is completed by the server when the task starts. */
  #accept(task: AssignedTask): void {
    const known = this.#runs.get(task.taskId);
    if (known !== undefined) {
      if (known.task.attempt >= task.attempt) return;
      known.abort("lost");
    }
    const { taskId, attempt } = task;
    const run = new TaskRun({
      client: this.#client,
      agentId: this.#options.agentId,
      task,
      handle: this.#options.handle,
      settleBudgetMilliseconds: this.#options.settleBudgetMilliseconds ?? DEFAULT_SETTLE_BUDGET_MILLISECONDS,
      onStarted: () => this.#emit({ type: "task_started", taskId, attempt }),
      onLog: (line) => this.#emit({ type: "log", taskId, line }),
    });
    this.#runs.set(taskId, run);
    this.#waiting.push(run);
    this.#fillSlots();
  }

  /** The server never assigns more than the slots; a run waits here only while the one before it is ending. */
  #fillSlots(): void {
    while (this.#active.size < Math.max(1, this.#maxRuns)) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      const active = this.#work(run);
      this.#active.add(active);
      void active.then(() => {
        this.#active.delete(active);
        this.#fillSlots();
      });
    }
  }

  async #work(run: TaskRun): Promise<void> {
    const { taskId, attempt } = run.task;
    const end = await run.run();
    if (this.#runs.get(taskId) === run) this.#runs.delete(taskId);
    switch (end.end) {
      case "completed":
        return this.#emit({ type: "task_completed", taskId, attempt });
      case "failed":
        return this.#emit({ type: "task_failed", taskId, attempt, error: end.error, retryable: end.retryable });
      case "lost":
        return this.#emit({ type: "task_lost", taskId, attempt });
      case "unreported":
        return this.#emit({ type: "task_unreported", taskId, attempt, error: end.error });
    }
  }

  #cancel(taskId: string): void {
    const run = this.#runs.get(taskId);
    if (run === undefined || run.aborted !== undefined) return;
    this.#emit({ type: "task_cancel_requested", taskId, attempt: run.task.attempt });
    run.abort("cancelled");
  }

  /** A heartbeat tells what the server thinks this worker has. */
  #compare(reply: HeartbeatReply, askedAt: number): void {
    const attempts = new Map(reply.tasks.map((task) => [task.taskId, task]));
    for (const [taskId, run] of this.#runs) {
      const listed = attempts.get(taskId);
      if (listed?.attempt === run.task.attempt) {
        if (listed.cancelRequested) this.#cancel(taskId);
      } else if (run.startedAt !== undefined && run.startedAt < askedAt) {
        // Started before this heartbeat was sent, and the server does not have it any more.
        run.abort("lost");
      }
    }
  }

  #loseAll(): void {
    this.#emit({ type: "deregistered" });
    for (const run of this.#runs.values()) run.abort("lost");
  }

  async #adopt(taskId: string, attempt: number): Promise<void> {
    if (this.#runs.has(taskId)) return;
    try {
      const { status, taskType, description, parameters, deadline, ...task } = await this.#client.getTask(taskId);
      if (task.attempt !== attempt || this.#runs.has(taskId)) return;
      if (status === "assigned" && deadline !== undefined) {
        this.#accept({ taskId, attempt, taskType, description, parameters, deadline });
      } else if (status === "running") {
        const error = "the worker's process ended during this attempt";
        await this.#client.failTask(taskId, { agentId: this.#options.agentId, attempt, error });
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
    for (const run of this.#runs.values()) run.abort("stopping");
    this.#messages?.abort();
    await this.#within(ABORTED_HANDLER_MILLISECONDS, () => this.#idle());
    if (deregister) await this.#quietly("deregister", () => this.#client.deregisterAgent(this.#options.agentId));
    else await Promise.all([...this.#runs.values()].map((run) => run.abandon("the worker stopped")));
    await this.#session.stop();
    this.#emit({ type: "stopped" });
  }

  async #idle(): Promise<void> {
    await this.#messages?.idle();
    while (this.#active.size > 0) await Promise.all(this.#active);
  }

  /** Until neither this process nor the server has anything left for this worker. */
  async #finish(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.#idle();
      if (over.aborted) return;
      try {
        const { tasks } = await this.#session.beat();
        if (tasks.length === 0 && this.#active.size === 0) return;
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
