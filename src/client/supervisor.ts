import type { LeasedMessage } from "../lib/model/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentSession, registrationOf } from "./agent-session.ts";
import { type MessageHandler, MessageRunner } from "./message-runner.ts";
import { forgeryReason, isForged, readResult, readWorkflowResult, type TaskOutcome } from "./payloads.ts";
import { messageHandler, type QuestionHandler } from "./question-answering.ts";
import type { CallOptions } from "./route-caller.ts";
import type { BodyOf, ReplyOf } from "./route-types.ts";
import { tell } from "./tell.ts";
import { inSpan } from "./tracing.ts";
import { Waits } from "./waits.ts";

/** What a supervisor is made of. */
export interface SupervisorOptions {
  client: AgentClient;
  agentId: string;
  capabilities?: string[] | undefined;
  /** Default 1; a supervisor is not given tasks, so this only says how it reads in listings. */
  maxConcurrentTasks?: number | undefined;
  /**
   * How long the service waits for a sign of life before the agent is inactive and its tasks go to others: 10 to 86,400 seconds.
   * The agent beats three times in it, by itself. Default: the setting of the service.
   */
  heartbeatTimeoutSeconds?: number | undefined;
  metadata?: Record<string, string | number | boolean | null> | undefined;
  /** Handles every message but results, and questions where `onQuestion` has them; without it they stay in the mailbox. */
  onMessage?: MessageHandler | undefined;
  /**
   * Answers questions of tasks: what it returns is the answer, undefined leaves the question open for people. What it throws, and an answer
   * that does not fit, goes to `onError`, and the question comes again, five times in all; it stays open. Called now and then twice
   * with the same question, which is answered once.
   *
   * @example
   * onQuestion: ({ text, options }) => (options?.includes("retry") ? "retry" : undefined)
   */
  onQuestion?: QuestionHandler | undefined;
  /** Told of every result as it arrives, waited for or not, now and then twice. What it throws goes to `onError`. */
  onResult?: ((outcome: TaskOutcome) => unknown) | undefined;
  /** Told what failed and is being tried again. What it throws is dropped. */
  onError?: ((error: unknown, during: string) => unknown) | undefined;
  /** How often to ask for tasks whose result message has not come. Default 15,000. */
  pollMilliseconds?: number | undefined;
}

/** A task as `assign` takes it: the supervisor is filled in. */
export type Assignable = Omit<BodyOf<"POST /tasks">, "supervisor">;

/** A workflow as `createWorkflow` takes it: the supervisor is filled in. */
export type AssignableWorkflow = Omit<BodyOf<"POST /workflows">, "supervisor">;
/** A workflow with the states of its tasks. */
export type WorkflowState = ReplyOf<"GET /workflows/{workflowId}">;

const DEFAULT_POLL_MILLISECONDS = 15_000;
const RECEIVE_MESSAGES = 50;
/** Acted on, or handed to the handler of messages, only when the switchboard wrote them. */
const SYSTEM_TYPES = ["task_assignment", "task_cancel", "task_result", "task_question", "workflow_result"];
const RESULT_TYPES = ["task_result", "workflow_result"];
const LOST_HANDLER_MILLISECONDS = 30_000;
const DEFAULT_GRACE_MILLISECONDS = 30_000;
/** After the grace, how long an aborted message handler has to end by itself before it is not waited for. */
const ABORTED_HANDLER_MILLISECONDS = 2_000;

type TaskReply = ReplyOf<"GET /tasks/{taskId}">;

function outcomeOf(task: TaskReply): TaskOutcome | undefined {
  const { taskId, taskType, status, attempt, result, error } = task;
  if (status !== "completed" && status !== "failed" && status !== "cancelled") return undefined;
  return {
    taskId,
    taskType,
    status,
    attempt,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
  };
}

/**
 * An agent that hands out tasks and collects their results, from its own mailbox.
 *
 * @example
 * const supervisor = new Supervisor({ client, agentId: "planner" });
 * await supervisor.start();
 * const { taskId } = await supervisor.assign({ taskType: "resize", requiredCapabilities: ["images"] });
 * const outcome = await supervisor.waitFor(taskId);
 * await supervisor.stop();
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #client: AgentClient;
  readonly #session: AgentSession;
  readonly #messages: MessageRunner | undefined;
  readonly #stopped = new AbortController();
  readonly #tasks: Waits<TaskOutcome>;
  readonly #workflows: Waits<WorkflowState>;
  #polling: Promise<void> = Promise.resolve();
  readonly #settling = new Set<Promise<unknown>>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#client = options.client;
    const waits = {
      stopped: this.#stopped.signal,
      onError: (error: unknown) => this.#report(error, "wait"),
    };
    this.#tasks = new Waits({
      ...waits,
      gone: "TASK_NOT_FOUND",
      look: async (taskId, signal) => outcomeOf(await this.#client.getTask(taskId, { signal })),
    });
    this.#workflows = new Waits({
      ...waits,
      gone: "NOT_FOUND",
      look: async (workflowId, signal) => {
        const workflow = await this.#client.getWorkflow(workflowId, { signal });
        return workflow.status === "running" ? undefined : workflow;
      },
    });
    const handle = messageHandler(options, (error) => this.#report(error, "question"));
    this.#messages =
      handle &&
      new MessageRunner({
        client: options.client,
        agentId: options.agentId,
        handle,
        lostHandlerMilliseconds: LOST_HANDLER_MILLISECONDS,
        onError: (error, during) => this.#report(error, during),
      });
    this.#session = new AgentSession(options.client, registrationOf("supervisor", options), {
      wanted: () => this.#wanted(),
      onMessage: (message) => this.#take(message),
      onRefused: (error) => {
        this.#report(error, "credential refused");
        // Those who wait are told why.
        this.#stopped.abort(error);
        void this.stop({ graceMilliseconds: 0 });
      },
      onError: (error, during) => this.#report(error, during),
    });
  }

  /** Registers and begins to receive. @throws AgentCommunicationError when registering is refused */
  async start(): Promise<void> {
    await this.#session.start();
    this.#polling = this.#poll();
  }

  /**
   * Stops receiving and beating. Waits that are open reject with an AbortError at once: a message handler may be one of those
   * who wait. Handlers have the grace to end, then they are aborted, and not waited for much longer.
   */
  async stop({ graceMilliseconds = DEFAULT_GRACE_MILLISECONDS }: { graceMilliseconds?: number } = {}): Promise<void> {
    this.#stopped.abort();
    for (const waits of [this.#tasks, this.#workflows]) waits.rejectAll(this.#stopped.signal.reason);
    await this.#session.stop();
    await this.#handlersEnd(graceMilliseconds);
    this.#messages?.abort();
    await this.#handlersEnd(ABORTED_HANDLER_MILLISECONDS);
    this.#messages?.giveUp();
    await Promise.all([this.#polling, ...this.#settling]);
  }

  async #handlersEnd(milliseconds: number): Promise<void> {
    const over = new AbortController();
    const ended = this.#messages?.idle();
    await Promise.race([ended, this.#client.clock.sleep(milliseconds, over.signal)]);
    over.abort();
  }

  /** Gives a task to the best worker, or lets it wait for one. A repeat with the same `taskId` assigns it once. */
  assign(task: Assignable, options: CallOptions = {}): Promise<ReplyOf<"POST /tasks">> {
    const supervisor = this.#options.agentId;
    const attributes = { "agent_communication.agent.id": supervisor };
    const span = {
      name: `assign ${task.taskType}`,
      kind: "producer",
      traceparent: options.traceparent,
      attributes,
    } as const;
    return inSpan(
      span,
      (traceparent) => this.#client.assignTask({ ...task, supervisor }, { ...options, traceparent }),
      ({ status }) => ({ outcome: status, failed: false }),
    );
  }

  /** Ends a waiting task; asks the worker of a running one to stop. */
  cancel(taskId: string, reason?: string, options?: CallOptions): Promise<ReplyOf<"POST /tasks/{taskId}/cancel">> {
    return this.#client.cancelTask(taskId, reason, options);
  }

  /** Re-opens a task that failed or was cancelled, and what ended because of it; `waitFor` waits for its next end. */
  retry(taskId: string, reason?: string, options?: CallOptions): Promise<ReplyOf<"POST /tasks/{taskId}/retry">> {
    return this.#client.retryTask(taskId, reason, options);
  }

  /** How many agents and tasks there are, and how they fare. */
  statistics(options?: CallOptions): Promise<ReplyOf<"GET /stats/coordination">> {
    return this.#client.coordinationStatistics(options);
  }

  /**
   * Resolves when the task has ended, in whatever way: see `status`. The result comes with the `task_result` message;
   * should another process of this supervisor have taken that, asking for the task finds it.
   *
   * @throws AgentCommunicationError TASK_NOT_FOUND
   * @throws the reason of `signal` when that aborts; `AbortSignal.timeout(ms)` makes a time limit
   */
  waitFor(taskId: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<TaskOutcome> {
    return this.#tasks.wait(taskId, signal);
  }

  /** As waitFor, for several; the outcomes are in the order of the ids. */
  waitForAll(taskIds: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<TaskOutcome[]> {
    return Promise.all(taskIds.map((taskId) => this.waitFor(taskId, options)));
  }

  /**
   * Creates up to 200 tasks that name each other by `ref`, all or none.
   *
   * @example
   * const { workflowId } = await supervisor.createWorkflow({
   *   tasks: [{ ref: "build", taskType: "build" }, { ref: "deploy", taskType: "deploy", dependsOn: ["build"] }],
   * });
   * const { status } = await supervisor.waitForWorkflow(workflowId);
   */
  createWorkflow(workflow: AssignableWorkflow, options: CallOptions = {}): Promise<ReplyOf<"POST /workflows">> {
    return this.#client.createWorkflow({ ...workflow, supervisor: this.#options.agentId }, options);
  }

  /**
   * Resolves when nothing of the workflow is open any more, in whatever way: see `status`.
   *
   * @throws AgentCommunicationError NOT_FOUND
   * @throws the reason of `signal` when that aborts
   */
  waitForWorkflow(workflowId: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<WorkflowState> {
    return this.#workflows.wait(workflowId, signal);
  }

  /** As cancel, for the open tasks of a workflow. */
  cancelWorkflow(workflowId: string, reason?: string, options?: CallOptions) {
    return this.#client.cancelWorkflow(workflowId, reason, options);
  }

  /** As retry, for all tasks of a workflow that failed. */
  retryWorkflow(workflowId: string, reason?: string, options?: CallOptions) {
    return this.#client.retryWorkflow(workflowId, reason, options);
  }

  #report(error: unknown, during: string): void {
    tell(() => this.#options.onError?.(error, during));
  }

  #wanted(): { maxMessages: number; types?: string[] } {
    const room = RECEIVE_MESSAGES - (this.#messages?.size ?? 0);
    if (this.#messages === undefined || room <= 0) return { maxMessages: RECEIVE_MESSAGES, types: RESULT_TYPES };
    if (this.#options.onMessage !== undefined) return { maxMessages: room };
    return { maxMessages: room, types: [...RESULT_TYPES, "task_question"] };
  }

  #take(message: LeasedMessage): void {
    if (isForged(message, SYSTEM_TYPES)) {
      const reason = forgeryReason(message);
      this.#report(new Error(reason), "message");
      this.#settle(message, { outcome: "dead_letter", reason });
      return;
    }
    if (message.type === "workflow_result") this.#takeWorkflowResult(message);
    else if (message.type === "task_result") this.#takeResult(message);
    else this.#messages?.take(message);
  }

  #takeResult(message: LeasedMessage): void {
    const outcome = readResult(message.payload);
    if (outcome !== undefined) this.#deliver(outcome);
    this.#settle(message, { outcome: outcome === undefined ? "dead_letter" : "complete" });
  }

  /** The message counts the tasks; those who wait get their states, too. */
  #takeWorkflowResult(message: LeasedMessage): void {
    const workflowId = readWorkflowResult(message.payload);
    this.#settle(message, { outcome: workflowId === undefined ? "dead_letter" : "complete" });
    if (workflowId !== undefined) this.#workflows.ended(workflowId);
  }

  #settle(
    { messageId, attempt, traceparent }: LeasedMessage,
    how: { outcome: "complete" | "dead_letter"; reason?: string },
  ): void {
    const settlements = [{ messageId, attempt, ...how }];
    const settling = this.#client
      .settleMessages({ agentId: this.#options.agentId, settlements }, { traceparent })
      .catch((error: unknown) => this.#report(error, "settle"));
    this.#settling.add(settling);
    void settling.then(() => this.#settling.delete(settling));
  }

  #deliver(outcome: TaskOutcome): void {
    tell(
      () => this.#options.onResult?.(outcome),
      (error) => this.#report(error, "result"),
    );
    this.#tasks.resolve(outcome.taskId, outcome);
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#client.clock.sleep(this.#options.pollMilliseconds ?? DEFAULT_POLL_MILLISECONDS, signal);
      if (signal.aborted) break;
      this.#tasks.checkAll();
      this.#workflows.checkAll();
    }
    await Promise.all([this.#tasks.idle(), this.#workflows.idle()]);
  }
}
