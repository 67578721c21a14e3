import type { z } from "zod";
import { AnswerMismatch, IdempotencyMismatch } from "../../base/idempotency.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../../model/errors.ts";
import { parse } from "../../model/parse.ts";
import {
  type AnswerTask,
  type AnswerTaskInput,
  answerTaskSchema,
  listQuestionsQuerySchema,
  type OpenQuestion,
  rejects,
} from "../../model/question.ts";
import {
  type AnswerReply,
  type SuspendReply,
  type SuspendTask,
  type SuspendTaskInput,
  suspendTaskSchema,
} from "../../model/suspension.ts";
import { idSchema } from "../../model/values.ts";
import { type ContentEncryption, type Key, withoutKeys } from "../../security/content-encryption.ts";
import type { NewAnswer, QuestionOfTask, Store, Suspension } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import type { ChannelPolicy } from "../channels/channel-policy.ts";
import { requireFitting } from "./answer-check.ts";
import type { ChildTasks } from "./child-tasks.ts";
import { QuestionContents } from "./question-contents.ts";
import type { TaskContents } from "./task-contents.ts";
import type { TaskWatch } from "./task-watch.ts";
import type { WaitNotices } from "./wait-notices.ts";

/** Tasks that wait for an answer, a time or children: how they suspend, who may answer, and what is an answer. */
export class TaskQuestions {
  readonly #store: Store;
  readonly #tasks: TaskContents;
  readonly #contents: QuestionContents;
  readonly #encryption: ContentEncryption;
  readonly #policy: ChannelPolicy;
  readonly #watch: TaskWatch | undefined;
  readonly #children: ChildTasks;
  readonly #notices: WaitNotices | undefined;

  constructor(options: {
    store: Store;
    tasks: TaskContents;
    /** Left out: nothing sensitive is taken. */
    encryption?: ContentEncryption | undefined;
    policy: ChannelPolicy;
    /** Left out: nobody waits for changes. */
    watch?: TaskWatch;
    children: ChildTasks;
    /** Left out: what waits for a time is found by the sweep alone. */
    notices?: WaitNotices;
  }) {
    this.#store = options.store;
    this.#tasks = options.tasks;
    this.#encryption = options.encryption ?? withoutKeys;
    this.#contents = new QuestionContents(this.#encryption);
    this.#policy = options.policy;
    this.#watch = options.watch;
    this.#children = options.children;
    this.#notices = options.notices;
  }

  /**
   * Ends an attempt until an answer, a time or the ends of children wake the task.
   *
   * @throws TASK_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_FORBIDDEN, SCHEMA_MISMATCH, SUSPENSION_LIMIT,
   * TASK_TREE_LIMIT, DEPENDENCY_INVALID, ID_TAKEN, INVALID_REQUEST, KEY_UNAVAILABLE
   * @example
   * await questions.suspend("t-1", { agentId: "w", attempt: 1, until: { question: { text: "Deploy?", options: ["yes", "no"] } } });
   */
  async suspend(taskId: string, input: SuspendTaskInput): Promise<SuspendReply> {
    const id = parse(idSchema, taskId, "task id");
    const request = parse(suspendTaskSchema, input);
    await this.requireReachable(request.agentId, request.until.question?.askedOf);
    const suspension = await this.#prepare(id, request, await this.#tasks.keyOf(id));
    try {
      return await this.#store.suspendTask(id, suspension);
    } catch (error) {
      if (!(error instanceof IdempotencyMismatch)) throw error;
      const stored = error.storedHash ?? "";
      // A repeat under another version of the key is one all the same.
      if ((await this.#encryption.hashLike(stored, request.until)) !== stored) {
        const detail = `Attempt ${request.attempt} of task ${id} was suspended with another request.`;
        throw new AgentCommunicationError("LEASE_LOST", detail);
      }
      return await this.#store.suspendTask(id, { ...suspension, untilHash: stored });
    } finally {
      this.#watch?.changed(id);
      this.#notices?.give();
    }
  }

  /** Whom a question is asked of: agents that its asker may write to. @throws CHANNEL_FORBIDDEN */
  async requireReachable(asker: string, askedOf: readonly string[] = []): Promise<void> {
    for (const agentId of askedOf) await this.#policy.requireCommonChannel(asker, agentId);
  }

  async #prepare(
    taskId: string,
    { agentId, attempt, checkpoint, until, usage }: SuspendTask,
    key: Key | undefined,
  ): Promise<Suspension> {
    return {
      agentId,
      attempt,
      usage,
      checkpoint: checkpoint === undefined ? undefined : this.#contents.seal(key, taskId, "checkpoint", checkpoint),
      until: await this.#prepareUntil(taskId, until, key),
      untilHash: this.#encryption.hash(key, until),
    };
  }

  async #prepareUntil(
    taskId: string,
    { question, at, tasks }: SuspendTask["until"],
    key: Key | undefined,
  ): Promise<Suspension["until"]> {
    if (question !== undefined) {
      return { question: this.#contents.ask(question, { taskId, key, gate: false, path: "until.question" }) };
    }
    if (tasks === undefined) return { at: Date.parse(at ?? "") };
    return { tasks: await this.#children.prepare(tasks, key) };
  }

  /**
   * Answers an open question, once.
   *
   * @throws TASK_NOT_FOUND, NOT_FOUND, FORBIDDEN, ALREADY_ANSWERED, TASK_ENDED, SCHEMA_MISMATCH, AGENT_NOT_FOUND, AGENT_DEREGISTERED,
   * KEY_UNAVAILABLE
   */
  async answer(taskId: string, input: AnswerTaskInput): Promise<AnswerReply> {
    const id = parse(idSchema, taskId, "task id");
    const request = parse(answerTaskSchema, input);
    const question = await this.#askedIn(id, request);
    await this.#requireAnswerer(question, request.agentId);
    const key = await this.#tasks.keyOf(id);
    const answer = this.#sealAnswer(question, request, key, await this.#rejects(question, request));
    try {
      return await this.#store.answerQuestion(id, answer);
    } catch (error) {
      if (!(error instanceof AnswerMismatch) || error.storedHash === undefined) throw error;
      const stored = error.storedHash;
      if ((await this.#encryption.hashLike(stored, hashed(request))) !== stored) throw error;
      return await this.#store.answerQuestion(id, { ...answer, answerHash: stored });
    } finally {
      this.#watch?.changed(id);
    }
  }

  /**
   * The question of a task that is archived has ended with it. That a task has no such question is told only to those who may read the
   * task: to others it does not exist.
   */
  async #askedIn(taskId: string, { questionId, agentId }: AnswerTask): Promise<QuestionOfTask> {
    try {
      return await this.#store.getQuestion(taskId, questionId);
    } catch (error) {
      if (isAgentCommunicationError(error, "NOT_FOUND")) {
        const mayRead =
          (await this.#isAdmin(agentId)) || (await this.#store.relationToTask(agentId, taskId)) !== undefined;
        throw mayRead ? error : taskNotFound(taskId);
      }
      const isGone = isAgentCommunicationError(error, "TASK_NOT_FOUND");
      const relation = isGone ? await this.#store.relationToTask(currentCall().actor, taskId) : undefined;
      if (relation !== "assigned_by") throw error;
      const detail = `Task ${taskId} has ended, and its question ${questionId} with it.`;
      throw new AgentCommunicationError("TASK_ENDED", detail);
    }
  }

  /** Whether the answer fails a gate. @throws SCHEMA_MISMATCH for one that is not what an open question asks for */
  async #rejects({ taskId, content: sealed, state, gate }: QuestionOfTask, { answer }: AnswerTask): Promise<boolean> {
    const content = sealed && (await this.#contents.content(taskId, sealed));
    if (content === undefined) return false;
    if (state === "open") requireFitting(content, answer, "answer");
    return gate && rejects(content, answer);
  }

  #sealAnswer(
    { taskId, gate, questionId }: QuestionOfTask,
    request: AnswerTask,
    key: Key | undefined,
    rejected: boolean,
  ): NewAnswer {
    return {
      agentId: request.agentId,
      questionId,
      answer: this.#contents.seal(key, taskId, gate ? "result" : "answer", request.answer),
      answerHash: this.#encryption.hash(key, hashed(request)),
      rejects: rejected,
    };
  }

  /**
   * The supervisor, admins and those who were asked; never the agent that asked. To others the task does not exist.
   *
   * @throws FORBIDDEN, TASK_NOT_FOUND, AGENT_NOT_FOUND
   */
  async #requireAnswerer(question: QuestionOfTask, agentId: string): Promise<void> {
    const { taskId, askedBy, askedOf = [], supervisor } = question;
    if (askedBy === agentId) {
      throw new AgentCommunicationError("FORBIDDEN", `${agentId} asked the question, and may not answer it.`);
    }
    if (agentId === supervisor || askedOf.includes(agentId) || (await this.#isAdmin(agentId))) return;
    throw taskNotFound(taskId);
  }

  /** As it was proved; where nobody proves anything, as it is registered. */
  async #isAdmin(agentId: string): Promise<boolean> {
    const { role, credential } = currentCall();
    if (credential !== "none") return role === "admin";
    return (await this.#store.getAgent(agentId)).role === "admin";
  }

  /**
   * Open questions, the oldest first: without `agentId` all, with it those that the agent may answer.
   *
   * @throws KEY_UNAVAILABLE
   */
  async list(
    query: z.input<typeof listQuestionsQuerySchema> = {},
  ): Promise<{ questions: OpenQuestion[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listQuestions(parse(listQuestionsQuerySchema, query));
    return { questions: await Promise.all(items.map((question) => this.#show(question))), nextCursor };
  }

  async #show(stored: QuestionOfTask): Promise<OpenQuestion> {
    const { questionId, taskId, taskType, supervisor, priority } = stored;
    const { question, unread } = await this.#contents.reveal(taskId, stored);
    const shown: OpenQuestion = { ...question, questionId, taskId, taskType, supervisor, priority };
    if (stored.content?.keyVersion !== undefined) shown.sensitive = true;
    if (unread) shown.undecryptable = true;
    return shown;
  }
}

function taskNotFound(taskId: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_NOT_FOUND", `There is no task ${taskId}.`);
}

/** What makes an answer the same again. */
function hashed({ questionId, answer }: AnswerTask): object {
  return { questionId, answer };
}
