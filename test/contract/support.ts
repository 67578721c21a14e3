import { randomUUID } from "node:crypto";
import type { Agent, AgentRole, RegisterAgentInput } from "../../src/lib/model/agent.ts";
import { registerAgentSchema } from "../../src/lib/model/agent.ts";
import {
  type ChannelDetails,
  type ChannelKind,
  type CreateChannelInput,
  createChannelSchema,
} from "../../src/lib/model/channel.ts";
import { type ErrorCode, isAgentCommunicationError } from "../../src/lib/model/errors.ts";
import { requestHash } from "../../src/lib/model/ids.ts";
import type { JsonValue } from "../../src/lib/model/json.ts";
import {
  type LeasedMessage,
  type Message,
  type SendMessageInput,
  sendMessageSchema,
} from "../../src/lib/model/message.ts";
import { type AskInput, askSchema, rejects } from "../../src/lib/model/question.ts";
import type { SuspendReply } from "../../src/lib/model/suspension.ts";
import { type Assignment, type AssignTaskInput, assignTaskSchema, type Task } from "../../src/lib/model/task.ts";
import type {
  Claim,
  Claimed,
  NewMessage,
  NewQuestion,
  NewSettlement,
  NewTask,
  SettleResult,
  Store,
  StoredTask,
} from "../../src/lib/store/store.ts";
import type { StoreUnderTest } from "./store-under-test.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The code with which `promise` was refused, or "accepted". Anything that is not one of our errors is rethrown. */
export async function caught(promise: Promise<unknown>): Promise<ErrorCode | "accepted"> {
  try {
    await promise;
  } catch (error) {
    if (isAgentCommunicationError(error)) return error.code;
    throw error;
  }
  return "accepted";
}

/** Milliseconds of an ISO time that must be there. */
export function at(instant: string | undefined): number {
  if (instant === undefined) throw new Error("expected a time, there is none");
  const milliseconds = Date.parse(instant);
  if (Number.isNaN(milliseconds)) throw new Error(`not a time: ${instant}`);
  return milliseconds;
}

/** The only item of a list that must have exactly one. */
export function only<Item>(items: readonly Item[]): Item {
  const [first] = items;
  if (items.length !== 1 || first === undefined) throw new Error(`expected one item, there are ${items.length}`);
  return first;
}

/** Polls until `done` holds; fails after `milliseconds` of real time. */
export async function eventually(done: () => boolean | Promise<boolean>, milliseconds = 5_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`did not happen within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A message as the domain hands it to the store: parsed, with an id and the hash of its body. */
export function newMessage(input: SendMessageInput, idempotencyKey?: string): NewMessage {
  const { messageId, ...body } = sendMessageSchema.parse(input);
  return { ...body, messageId: messageId ?? randomUUID(), requestHash: requestHash(body), idempotencyKey };
}

/** A task as the domain hands it to the store; five minutes and three retries unless it says otherwise. */
export function newTask(input: AssignTaskInput, idempotencyKey?: string): NewTask {
  const { taskId, ...body } = assignTaskSchema.parse(input);
  const { question } = body;
  return {
    ...body,
    question: question && newQuestion(question),
    taskId: taskId ?? randomUUID(),
    timeoutSeconds: body.timeoutSeconds ?? 300,
    maxRetries: body.maxRetries ?? 3,
    requestHash: requestHash(body),
    idempotencyKey,
  };
}

/** A question as the domain hands it to the store, plain. `gate`: whose default may say no. */
export function newQuestion(input: AskInput): NewQuestion {
  const { askedOf = [], defaultAnswer, timeoutSeconds, ...content } = askSchema.parse(input);
  const question: NewQuestion = {
    content: { value: content },
    defaultRejects: defaultAnswer !== undefined && rejects(content, defaultAnswer),
    askedOf,
  };
  if (defaultAnswer !== undefined) question.defaultAnswer = { value: defaultAnswer };
  if (timeoutSeconds !== undefined) question.timeoutMilliseconds = timeoutSeconds * 1_000;
  return question;
}

/** All items of a list, page by page, never more than `pages` of them. */
export async function everyPage<Item>(
  read: (page: { limit: number; cursor?: string | undefined }) => Promise<{ items: Item[]; nextCursor: string | null }>,
  limit = 200,
  pages = 200,
): Promise<Item[]> {
  const all: Item[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < pages; page++) {
    const { items, nextCursor } = await read({ limit, cursor });
    all.push(...items);
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
  throw new Error(`the list does not end within ${pages} pages`);
}

type TaskOptions = Omit<Partial<AssignTaskInput>, "supervisor">;
type ChannelOptions = Omit<Partial<CreateChannelInput>, "kind"> & { creator?: string };
type SendOptions = Omit<Partial<SendMessageInput>, "sender" | "receiver">;

/** A task that was handed to a worker. */
export interface Held {
  taskId: string;
  agentId: string;
  attempt: number;
}

/**
 * One test's corner of a store: ids that nobody else uses, and one capability, so that what waits in one test is never
 * handed to the workers of another.
 */
export class Scene {
  readonly under: StoreUnderTest;
  readonly tag: string = randomUUID().slice(0, 8);
  #count = 0;

  constructor(under: StoreUnderTest) {
    this.under = under;
  }

  get store(): Store {
    return this.under.store;
  }

  /** A capability that only agents and tasks of this scene have. */
  get skill(): string {
    return `skill-${this.tag}`;
  }

  /** An id of this scene; the same name gives the same id. */
  id(name: string): string {
    return `${name}-${this.tag}`;
  }

  fresh(kind = "id"): string {
    this.#count += 1;
    return this.id(`${kind}${String(this.#count).padStart(4, "0")}`);
  }

  advance(milliseconds: number): void {
    this.under.clock.advance(milliseconds);
  }

  /** Moves time and lets the store act on it. */
  async pass(milliseconds: number): Promise<void> {
    this.advance(milliseconds);
    await this.store.sweep();
  }

  // agents

  async register(input: Partial<RegisterAgentInput> & { role: AgentRole }): Promise<Agent> {
    const agentId = input.agentId ?? this.fresh(input.role);
    const { agent } = await this.store.registerAgent(registerAgentSchema.parse({ ...input, agentId }));
    return agent;
  }

  async agent(role: AgentRole = "observer"): Promise<string> {
    return (await this.register({ role })).agentId;
  }

  async supervisor(): Promise<string> {
    return await this.agent("supervisor");
  }

  /** A worker with this scene's skill, and more if asked. */
  async worker(capacity = 1, more: string[] = [], agentId?: string): Promise<string> {
    const capabilities = [this.skill, ...more];
    return (await this.register({ role: "worker", agentId, capabilities, maxConcurrentTasks: capacity })).agentId;
  }

  // messages

  message(sender: string, receiver: string, options: SendOptions = {}, idempotencyKey?: string): NewMessage {
    return newMessage({ type: "notification", payload: { n: 1 }, ...options, sender, receiver }, idempotencyKey);
  }

  async send(sender: string, receiver: string, options: SendOptions = {}): Promise<string> {
    const messageId = options.messageId ?? this.fresh("m");
    const [reply] = await this.store.sendMessages([this.message(sender, receiver, { ...options, messageId })]);
    if (reply?.messageId !== messageId) throw new Error("the store answered another id");
    return messageId;
  }

  async claim(agentId: string, options: Partial<Omit<Claim, "agentId">> = {}): Promise<Claimed> {
    return await this.store.claimMessages({
      agentId,
      maxMessages: 1,
      leaseMilliseconds: MINUTE,
      maxBytes: 1_048_576,
      ...options,
    });
  }

  /** Claims, going on while the store says that there may be more and nothing came yet. */
  async receive(agentId: string, options: Partial<Omit<Claim, "agentId">> = {}): Promise<LeasedMessage[]> {
    for (let round = 0; round < 100; round++) {
      const claimed = await this.claim(agentId, options);
      if (claimed.messages.length > 0 || !claimed.unfinished) return claimed.messages;
    }
    throw new Error("claims never finish");
  }

  async receiveOne(agentId: string, options: Partial<Omit<Claim, "agentId">> = {}): Promise<LeasedMessage> {
    return only(await this.receive(agentId, options));
  }

  /** The ids of everything that can be received now, in delivery order; it stays leased. */
  async receiveIds(agentId: string, maxMessages = 50): Promise<string[]> {
    return (await this.receive(agentId, { maxMessages })).map((message) => message.messageId);
  }

  /** As receiveIds, of a claim with options. */
  async receiveMany(agentId: string, options: Partial<Omit<Claim, "agentId">>): Promise<string[]> {
    return (await this.receive(agentId, options)).map((message) => message.messageId);
  }

  async settle(
    agentId: string,
    message: { messageId: string; attempt: number },
    outcome: NewSettlement["outcome"],
    options: Partial<NewSettlement> = {},
  ): Promise<SettleResult["status"]> {
    const { messageId, attempt } = message;
    const results = await this.store.settleMessages(agentId, [{ messageId, attempt, outcome, ...options }]);
    return only(results).status;
  }

  async read(messageId: string): Promise<Message> {
    return await this.store.getMessage(messageId);
  }

  async status(messageId: string): Promise<Message["status"]> {
    return (await this.read(messageId)).status;
  }

  async peek(agentId: string): Promise<Message[]> {
    return await everyPage((page) => this.store.peekMessages(agentId, page));
  }

  /** Puts a message among the dead letters of `receiver`. */
  async deadLetter(sender: string, receiver: string, options: SendOptions = {}, reason = "broken"): Promise<string> {
    const messageId = await this.send(sender, receiver, { priority: "urgent", ...options });
    const leased = await this.receiveOne(receiver);
    if (leased.messageId !== messageId) throw new Error("another message came first");
    const status = await this.settle(receiver, leased, "dead_letter", { reason });
    if (status !== "dead_lettered") throw new Error(`not dead-lettered: ${status}`);
    return messageId;
  }

  // channels

  /** Makes a channel, by a creator who needs no registration unless it is named. @returns its name */
  async channel(kind: ChannelKind, options: ChannelOptions = {}): Promise<string> {
    const { creator, ...input } = options;
    const name = input.name ?? this.fresh("channel");
    await this.createChannel({ ...input, name, kind }, creator);
    return name;
  }

  async createChannel(
    input: CreateChannelInput,
    creator?: string,
  ): Promise<{ channel: ChannelDetails; created: boolean }> {
    const body = createChannelSchema.parse(input);
    return await this.store.createChannel({
      ...body,
      creator: creator ?? "*",
      creatorMustBeRegistered: creator !== undefined,
      requestHash: requestHash(body),
    });
  }

  /** Posts to a broadcast channel. @returns the id of the post */
  async post(sender: string, channel: string, options: SendOptions = {}): Promise<string> {
    const messageId = options.messageId ?? this.fresh("m");
    const reply = await this.store.broadcastMessage(this.message(sender, `#${channel}`, { ...options, messageId }));
    if (reply.messageId !== messageId) throw new Error("the store answered another id");
    return messageId;
  }

  // tasks

  /** A task of this scene's skill. */
  task(supervisor: string, options: TaskOptions = {}, idempotencyKey?: string): NewTask {
    return newTask({ taskType: "work", requiredCapabilities: [this.skill], ...options, supervisor }, idempotencyKey);
  }

  /** Creates a task; it may wait. */
  async submit(supervisor: string, options: TaskOptions = {}): Promise<string> {
    const taskId = options.taskId ?? this.fresh("t");
    await this.store.assignTask(this.task(supervisor, { ...options, taskId }));
    return taskId;
  }

  /** Creates a task that must be handed out at once. */
  async assign(supervisor: string, options: TaskOptions = {}): Promise<Held> {
    return await this.held(await this.submit(supervisor, options));
  }

  /** Who has the task now. Fails when nobody has it. */
  async held(taskId: string): Promise<Held> {
    const task = await this.look(taskId);
    if (task.assignedTo === undefined || (task.status !== "assigned" && task.status !== "running")) {
      throw new Error(`nobody holds ${taskId}: ${task.status}`);
    }
    return { taskId, agentId: task.assignedTo, attempt: task.attempt };
  }

  async start(held: Held) {
    return await this.store.startTask(held.taskId, { agentId: held.agentId, attempt: held.attempt });
  }

  async progress(held: Held, more: { percent?: number; note?: string; extendSeconds?: number } = {}) {
    return await this.store.progressTask(held.taskId, { agentId: held.agentId, attempt: held.attempt, ...more });
  }

  async complete(held: Held, result: Task["result"] = { ok: true }) {
    return await this.store.completeTask(held.taskId, { agentId: held.agentId, attempt: held.attempt, result });
  }

  async fail(held: Held, options: { error?: string; retryable?: boolean } = {}) {
    const { error = "broken", retryable = true } = options;
    return await this.store.failTask(held.taskId, { agentId: held.agentId, attempt: held.attempt, error, retryable });
  }

  /** Every attempt of a task, oldest first. */
  async assignments(taskId: string): Promise<Assignment[]> {
    return await everyPage((page) => this.store.getAssignments(taskId, page));
  }

  /** Suspends an attempt until a question is answered, or until a time. */
  async suspend(
    held: Held,
    until: AskInput | { at: number },
    options: { checkpoint?: JsonValue; untilHash?: string } = {},
  ): Promise<SuspendReply> {
    const { agentId, attempt } = held;
    const { checkpoint, untilHash = requestHash(until) } = options;
    return await this.store.suspendTask(held.taskId, {
      agentId,
      attempt,
      checkpoint: checkpoint === undefined ? undefined : { value: checkpoint },
      until: "at" in until ? until : { question: newQuestion(until) },
      untilHash,
    });
  }

  /** The same with a question. @returns its id */
  async ask(held: Held, question: AskInput, checkpoint?: JsonValue): Promise<string> {
    const { questionId } = await this.suspend(held, question, { checkpoint });
    if (questionId === undefined) throw new Error("the task did not ask");
    return questionId;
  }

  async answer(taskId: string, questionId: string, agentId: string, answer: JsonValue, rejected = false) {
    const answerHash = requestHash({ questionId, answer });
    const call = { agentId, questionId, answer: { value: answer }, answerHash, rejects: rejected };
    return await this.store.answerQuestion(taskId, call);
  }

  /** The id of the open question of a task. */
  async openQuestion(taskId: string): Promise<string> {
    const { question } = await this.look(taskId);
    if (question?.state !== "open" || question.questionId === undefined) throw new Error(`${taskId} asks nothing`);
    return question.questionId;
  }

  async look(taskId: string): Promise<StoredTask> {
    return await this.store.getTask(taskId);
  }

  /** What waits in a mailbox of that type, read without leasing. */
  async waiting(agentId: string, type: string): Promise<Message[]> {
    return (await this.peek(agentId)).filter((message) => message.type === type);
  }

  /** The task_result messages about `taskId` that wait for `supervisor`. */
  async results(supervisor: string, taskId: string): Promise<Message[]> {
    const results = await this.waiting(supervisor, "task_result");
    return results.filter((message) => payloadField(message, "taskId") === taskId);
  }
}

/** A field of an object payload. */
export function payloadField(message: Message, field: string): unknown {
  const { payload } = message;
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return undefined;
  return payload[field];
}
