import type { z } from "zod";
import { IdempotencyMismatch, type SendOptions, scopedKey } from "../../base/idempotency.ts";
import { newId } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import { type CancelTask, cancelTaskSchema, type RetryTask, retryTaskSchema } from "../../model/task.ts";
import { idSchema } from "../../model/values.ts";
import {
  type CreateWorkflow,
  type CreateWorkflowInput,
  type CreateWorkflowReply,
  createWorkflowSchema,
  listWorkflowsQuerySchema,
  type Workflow,
  type WorkflowReply,
  type WorkflowSummary,
} from "../../model/workflow.ts";
import { type ContentEncryption, type Key, withoutKeys } from "../../security/content-encryption.ts";
import type { NewWorkflow, NewWorkflowTask, Store } from "../../store/store.ts";
import { charged } from "../../trace/call-context.ts";
import { currentTraceparent } from "../../trace/current-trace.ts";
import type { TaskContents } from "./task-contents.ts";
import type { TaskQuestions } from "./task-questions.ts";
import type { WaitNotices } from "./wait-notices.ts";
import { type PlannedTask, planWorkflow } from "./workflow-plan.ts";

/** Tasks that are created together, depend on each other, and end together. */
export class Workflows {
  readonly #store: Store;
  readonly #contents: TaskContents;
  readonly #questions: TaskQuestions;
  readonly #encryption: ContentEncryption;
  readonly #defaultTimeoutSeconds: number;
  readonly #maxRetries: number;
  readonly #notices: WaitNotices | undefined;

  constructor(options: {
    store: Store;
    contents: TaskContents;
    questions: TaskQuestions;
    /** Left out: nothing sensitive is taken. */
    encryption?: ContentEncryption;
    defaultTimeoutSeconds: number;
    maxRetries: number;
    /** Left out: what waits for a time is found by the sweep alone. */
    notices?: WaitNotices;
  }) {
    this.#store = options.store;
    this.#contents = options.contents;
    this.#questions = options.questions;
    this.#encryption = options.encryption ?? withoutKeys;
    this.#defaultTimeoutSeconds = options.defaultTimeoutSeconds;
    this.#maxRetries = options.maxRetries;
    this.#notices = options.notices;
  }

  /**
   * Creates all of its tasks or none, and hands out those that wait for nothing.
   *
   * @throws INVALID_REQUEST, DEPENDENCY_INVALID (unknown refs and ids, cycles), and as SupervisorCoordinator.assign
   * @example
   * await workflows.create({ supervisor: "lead", tasks: [
   *   { ref: "build", taskType: "build" },
   *   { ref: "deploy", taskType: "deploy", dependsOn: ["build"] },
   * ] });
   */
  async create(
    input: CreateWorkflowInput,
    options: SendOptions = {},
  ): Promise<CreateWorkflowReply & { duplicate: boolean }> {
    const workflow = parse(createWorkflowSchema, input);
    const idempotencyKey = scopedKey("POST /workflows", workflow.supervisor, options, workflow.workflowId);
    for (const { question } of workflow.tasks) {
      await this.#questions.requireReachable(workflow.supervisor, question?.askedOf);
    }
    const planned = this.#plan(workflow);
    const call = await this.#prepare(workflow, planned, idempotencyKey);
    try {
      return this.#remember(call, await this.#store.createWorkflow(call));
    } catch (error) {
      // A repeat is recognised under another version of the key, too: its hash is made like the stored one.
      const storedHash = error instanceof IdempotencyMismatch ? error.storedHash : undefined;
      if (storedHash === undefined) throw error;
      if ((await this.#encryption.hashLike(storedHash, hashed(workflow))) !== storedHash) throw error;
      return await this.#store.createWorkflow({ ...call, requestHash: storedHash });
    } finally {
      this.#notices?.give();
    }
  }

  /** Completions of what has been made here need not ask whether it is sensitive. */
  #remember<Reply extends { duplicate: boolean }>({ tasks }: NewWorkflow, reply: Reply): Reply {
    if (reply.duplicate) return reply;
    for (const { taskId, keyVersion } of tasks) this.#contents.remember(taskId, keyVersion !== undefined);
    return reply;
  }

  /** A workflow of a schedule as the store takes it. @throws DEPENDENCY_INVALID, KEY_UNAVAILABLE */
  prepare(workflow: CreateWorkflow): Promise<NewWorkflow> {
    return this.#prepare(workflow, this.#plan(workflow), undefined);
  }

  #plan(workflow: CreateWorkflow): PlannedTask[] {
    return charged(() => planWorkflow(workflow, () => newId(this.#store.now())));
  }

  async #prepare(
    workflow: CreateWorkflow,
    planned: readonly PlannedTask[],
    idempotencyKey: string | undefined,
  ): Promise<NewWorkflow> {
    const isSensitive = planned.some(({ task }) => this.#encryption.covers(task.sensitive));
    const key = isSensitive ? await this.#encryption.currentKey() : undefined;
    // 200 tasks take some 10 ms.
    return charged(() => this.#prepareAtOnce(workflow, planned, idempotencyKey, key));
  }

  #prepareAtOnce(
    workflow: CreateWorkflow,
    planned: readonly PlannedTask[],
    idempotencyKey: string | undefined,
    key: Key | undefined,
  ): NewWorkflow {
    const { supervisor, onFailure, notify, workflowId = newId(this.#store.now()) } = workflow;
    const traceparent = currentTraceparent();
    const requestHash = this.#encryption.hash(key, hashed(workflow));
    const tasks = planned.map(({ task, taskId, dependsOn, stops }): NewWorkflowTask => {
      const { ref, sensitive: _, ...rest } = task;
      const plain = {
        ...rest,
        supervisor,
        taskId,
        hasNewId: task.taskId === undefined,
        dependsOn,
        timeoutSeconds: rest.timeoutSeconds ?? this.#defaultTimeoutSeconds,
        maxRetries: rest.maxRetries ?? this.#maxRetries,
        traceparent,
      };
      const isSensitive = this.#encryption.covers(task.sensitive);
      const prepared = this.#contents.prepare(plain, isSensitive ? key : undefined, requestHash);
      return { ...prepared, ref, stops };
    });
    return { workflowId, supervisor, onFailure, notify, tasks, idempotencyKey, requestHash };
  }

  /** @throws NOT_FOUND */
  get(workflowId: string): Promise<Workflow> {
    return this.#store.getWorkflow(parse(idSchema, workflowId, "workflow id"));
  }

  /** Newest first. */
  async list(
    query: z.input<typeof listWorkflowsQuerySchema> = {},
  ): Promise<{ workflows: WorkflowSummary[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listWorkflows(parse(listWorkflowsQuerySchema, query));
    return { workflows: items, nextCursor };
  }

  /** Cancels its open tasks together; running ones are asked. Again: the same. @throws NOT_FOUND, TASK_ENDED */
  async cancel(workflowId: string, input: z.input<typeof cancelTaskSchema> = {}): Promise<WorkflowReply> {
    const { reason }: CancelTask = parse(cancelTaskSchema, input);
    const { status, counts } = await this.#store.cancelWorkflow(parse(idSchema, workflowId, "workflow id"), reason);
    return { workflowId, status, counts };
  }

  /** Re-opens what failed or was cancelled by a call, and what ended because of it. @throws NOT_FOUND, TASK_ENDED */
  async retry(workflowId: string, input: z.input<typeof retryTaskSchema> = {}): Promise<WorkflowReply> {
    const { reason }: RetryTask = parse(retryTaskSchema, input);
    const { status, counts } = await this.#store.retryWorkflow(parse(idSchema, workflowId, "workflow id"), reason);
    return { workflowId, status, counts };
  }
}

/** What a repeat has in common with the first: all that was said, except the id. */
function hashed({ workflowId: _, ...rest }: CreateWorkflow): object {
  return rest;
}
