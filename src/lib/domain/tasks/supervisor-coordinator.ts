import type { z } from "zod";
import { type SendOptions, scopedKey } from "../../base/idempotency.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import type { Explanation } from "../../model/explanation.ts";
import { newId } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import type { CoordinationStatistics } from "../../model/statistics.ts";
import {
  type Assignment,
  type AssignTask,
  type AssignTaskInput,
  type AssignTaskReply,
  assignTaskSchema,
  cancelTaskSchema,
  completeTaskSchema,
  failTaskSchema,
  getTaskQuerySchema,
  listAssignmentsQuerySchema,
  listTasksQuerySchema,
  progressTaskSchema,
  retryTaskSchema,
  startTaskSchema,
  type Task,
  type TaskDependenciesReply,
  type TaskReply,
} from "../../model/task.ts";
import { type TaskEvent, taskHistoryQuerySchema } from "../../model/task-history.ts";
import { idSchema } from "../../model/values.ts";
import type { ContentEncryption } from "../../security/content-encryption.ts";
import type { NewTask, Store } from "../../store/store.ts";
import { currentTraceparent } from "../../trace/current-trace.ts";
import { type PlainTask, TaskContents } from "./task-contents.ts";
import type { TaskQuestions } from "./task-questions.ts";
import type { TaskWatch } from "./task-watch.ts";
import type { WaitNotices } from "./wait-notices.ts";

/** Hands work to the worker that has the capabilities and the most room, and sees it through. */
export class SupervisorCoordinator {
  readonly #store: Store;
  readonly #contents: TaskContents;
  readonly #questions: TaskQuestions | undefined;
  readonly #watch: TaskWatch | undefined;
  readonly #notices: WaitNotices | undefined;
  readonly #defaultTimeoutSeconds: number;
  readonly #maxRetries: number;

  constructor(options: {
    store: Store;
    /** Left out: nothing sensitive is taken. */
    encryption?: ContentEncryption;
    /** Left out: made here. */
    contents?: TaskContents;
    /** Left out: gates may be asked of everybody. */
    questions?: TaskQuestions;
    /** Left out: nobody waits for changes. */
    watch?: TaskWatch;
    /** Left out: what waits for a time is found by the sweep alone. */
    notices?: WaitNotices;
    defaultTimeoutSeconds: number;
    maxRetries: number;
  }) {
    this.#store = options.store;
    this.#contents = options.contents ?? new TaskContents(options);
    this.#questions = options.questions;
    this.#watch = options.watch;
    this.#notices = options.notices;
    this.#defaultTimeoutSeconds = options.defaultTimeoutSeconds;
    this.#maxRetries = options.maxRetries;
  }

  /**
   * Creates a task and assigns it, or lets it wait until somebody can take it.
   *
   * @throws INVALID_REQUEST, AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, DEPENDENCY_INVALID, ID_TAKEN,
   * IDEMPOTENCY_MISMATCH, KEY_UNAVAILABLE, CHANNEL_FORBIDDEN and SCHEMA_MISMATCH (of a gate's question)
   * @example
   * await coordinator.assign({ supervisor: "lead", taskType: "build", requiredCapabilities: ["python"] });
   */
  async assign(input: AssignTaskInput, options: SendOptions = {}): Promise<AssignTaskReply & { duplicate: boolean }> {
    const task = parse(assignTaskSchema, input);
    await this.#questions?.requireReachable(task.supervisor, task.question?.askedOf);
    const idempotencyKey = scopedKey("POST /tasks", task.supervisor, options, task.taskId);
    const reply = await this.#contents.assign({ ...this.#withDefaults(task), idempotencyKey }, task);
    const { expiresAt, startTimeoutSeconds, question } = task;
    if ((expiresAt ?? startTimeoutSeconds ?? question?.timeoutSeconds) !== undefined) this.#notices?.give();
    return reply;
  }

  /** A task of a schedule as the store takes it. @throws KEY_UNAVAILABLE */
  prepare(task: AssignTask): Promise<NewTask> {
    return this.#contents.prepareSealed(this.#withDefaults(task), task);
  }

  /** What assign would weigh and choose now; writes nothing. */
  async preview(input: AssignTaskInput): Promise<Explanation> {
    const task = parse(assignTaskSchema, input);
    if (task.question !== undefined) {
      const message = "makes the task a gate, which no agent works on";
      throw new AgentCommunicationError("INVALID_REQUEST", `question ${message}.`, {
        errors: [{ path: "question", message }],
      });
    }
    // Nothing is kept by which a repeat would be known.
    return this.#store.previewAssignment(this.#contents.prepare(this.#withDefaults(task), undefined, ""));
  }

  #withDefaults({ sensitive: _, ...task }: AssignTask): PlainTask {
    return {
      ...task,
      taskId: task.taskId ?? newId(this.#store.now()),
      hasNewId: task.taskId === undefined,
      timeoutSeconds: task.timeoutSeconds ?? this.#defaultTimeoutSeconds,
      maxRetries: task.maxRetries ?? this.#maxRetries,
      traceparent: currentTraceparent(),
    };
  }

  /**
   * The archive included. With `waitSeconds` it waits until the task has a greater version than `afterVersion`; when the time is over
   * or `signal` aborts, the task is read as it is.
   *
   * @throws TASK_NOT_FOUND, KEY_UNAVAILABLE, RATE_LIMITED (too many long polls of one credential)
   * @example
   * await coordinator.get("build-1", { afterVersion: 3, waitSeconds: 20 });
   */
  async get(
    taskId: string,
    query: z.input<typeof getTaskQuerySchema> = {},
    signal?: AbortSignal | undefined,
  ): Promise<Task> {
    const id = parse(idSchema, taskId, "task id");
    const { afterVersion, waitSeconds } = parse(getTaskQuerySchema, query);
    if (waitSeconds === 0 || afterVersion === undefined || this.#watch === undefined) {
      return this.#contents.reveal(await this.#store.getTask(id));
    }
    return this.#contents.reveal(await this.#watch.read(id, { afterVersion, waitSeconds, signal }));
  }

  /** Newest first. @throws KEY_UNAVAILABLE */
  async list(query: z.input<typeof listTasksQuerySchema> = {}): Promise<{ tasks: Task[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listTasks(parse(listTasksQuerySchema, query));
    return { tasks: await this.#contents.revealAll(items), nextCursor };
  }

  /** Why each attempt went where it went. @throws TASK_NOT_FOUND */
  async assignments(
    taskId: string,
    query: z.input<typeof listAssignmentsQuerySchema> = {},
  ): Promise<{ assignments: Assignment[]; nextCursor: string | null }> {
    const page = parse(listAssignmentsQuerySchema, query);
    const { items, nextCursor } = await this.#store.getAssignments(parse(idSchema, taskId, "task id"), page);
    return { assignments: items, nextCursor };
  }

  /** Newest first. @throws TASK_NOT_FOUND */
  async history(
    taskId: string,
    query: z.input<typeof taskHistoryQuerySchema> = {},
  ): Promise<{ events: TaskEvent[]; nextCursor: string | null }> {
    const page = parse(taskHistoryQuerySchema, query);
    const { items, nextCursor } = await this.#store.getTaskHistory(parse(idSchema, taskId, "task id"), page);
    return { events: items, nextCursor };
  }

  /**
   * How the tasks have ended that it depends on, in the order of `dependsOn`, and the children of its last suspension; with results and errors
   * while it is assigned or running.
   *
   * @throws TASK_NOT_FOUND (also of an archived task), KEY_UNAVAILABLE
   */
  async dependencies(taskId: string): Promise<TaskDependenciesReply> {
    const stored = await this.#store.getDependencies(parse(idSchema, taskId, "task id"));
    const [dependencies, children] = await Promise.all(
      [false, true].map((child) =>
        this.#contents.revealDependencies(stored.filter((one) => (one.child === true) === child)),
      ),
    );
    return {
      dependencies: dependencies ?? [],
      ...(children === undefined || children.length === 0 ? {} : { children }),
    };
  }

  /** @throws TASK_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  async start(taskId: string, input: z.input<typeof startTaskSchema>): Promise<TaskReply> {
    const start = parse(startTaskSchema, input);
    return this.#change(taskId, (id) => this.#store.startTask(id, start));
  }

  /** Throws as start. */
  async progress(taskId: string, input: z.input<typeof progressTaskSchema>): Promise<TaskReply> {
    const progress = parse(progressTaskSchema, input);
    return this.#change(taskId, (id) => this.#store.progressTask(id, progress));
  }

  /** Throws as start, and KEY_UNAVAILABLE. */
  async complete(taskId: string, input: z.input<typeof completeTaskSchema>): Promise<TaskReply> {
    const completion = parse(completeTaskSchema, input);
    return this.#change(taskId, async (id) =>
      this.#store.completeTask(id, await this.#contents.complete(id, completion)),
    );
  }

  /** Throws as start. */
  async fail(taskId: string, input: z.input<typeof failTaskSchema>): Promise<TaskReply> {
    const failure = parse(failTaskSchema, input);
    return this.#change(taskId, (id) => this.#store.failTask(id, failure));
  }

  /** At once, or a request when it is running. @throws TASK_NOT_FOUND, TASK_ENDED */
  async cancel(taskId: string, input: z.input<typeof cancelTaskSchema> = {}): Promise<TaskReply> {
    const { reason } = parse(cancelTaskSchema, input);
    return this.#change(taskId, (id) => this.#store.cancelTask(id, reason));
  }

  /** Re-opens a task that failed or was cancelled, and what ended because of it. @throws TASK_NOT_FOUND, TASK_ENDED */
  async retry(taskId: string, input: z.input<typeof retryTaskSchema> = {}): Promise<TaskReply> {
    const { reason } = parse(retryTaskSchema, input);
    return this.#change(taskId, (id) => this.#store.retryTask(id, reason));
  }

  /** Who waits for the task looks at once, also after a change whose answer was lost. */
  async #change(taskId: string, change: (id: string) => Promise<TaskReply>): Promise<TaskReply> {
    const id = parse(idSchema, taskId, "task id");
    try {
      const reply = await change(id);
      // A failed attempt: the next one waits for its backoff.
      if (reply.status === "pending") this.#notices?.give();
      return reply;
    } finally {
      this.#watch?.changed(id);
    }
  }

  statistics(): Promise<CoordinationStatistics> {
    return this.#store.coordinationStatistics();
  }
}
