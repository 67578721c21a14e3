import type { z } from "zod";
import type { Clock } from "../clock.ts";
import { AgentCommunicationError, type FieldError } from "../errors.ts";
import { type SendOptions, scopedKey } from "../idempotency.ts";
import { newId, requestHash } from "../ids.ts";
import { parse } from "../parse.ts";
import type { QueueStatistics } from "../statistics/statistics.ts";
import type { Claim, NewMessage, NewSettlement, SettleResult, Store } from "../store/store.ts";
import { idSchema } from "../values.ts";
import { MailboxWaiters } from "./mailbox-waiters.ts";
import {
  completeMessageSchema,
  deadLetterMessageSchema,
  type LeasedMessage,
  type Message,
  peekMessagesQuerySchema,
  type ReceiveMessages,
  type ReceiveMessagesInput,
  receiveMessagesSchema,
  renewLeaseSchema,
  retryMessageSchema,
  type SendMessage,
  type SendMessageInput,
  type SendMessageReply,
  type Settlement,
  type SettleReply,
  sendBatchSchema,
  sendMessageSchema,
  settleMessagesSchema,
} from "./message.ts";
import { isBuiltInMessageType } from "./message-type.ts";
import { PayloadSchemas } from "./payload-schemas.ts";

/** The durable mailboxes: send, receive under a lease, settle. */
export class MessageQueueManager {
  readonly #store: Store;
  readonly #schemas: PayloadSchemas;
  readonly #waiters: MailboxWaiters;

  constructor(options: { store: Store; clock: Clock; schemas?: PayloadSchemas }) {
    this.#store = options.store;
    this.#schemas = options.schemas ?? new PayloadSchemas();
    this.#waiters = new MailboxWaiters(options.store, options.clock);
  }

  /**
   * Accepts a message: once this resolves it is durable. A repeat with the same id (or key) returns the first result.
   *
   * @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE, AGENT_NOT_FOUND, AGENT_DEREGISTERED, MAILBOX_FULL, ID_TAKEN,
   * IDEMPOTENCY_MISMATCH, SCHEMA_MISMATCH
   * @example
   * await messages.send({ sender: "a", receiver: "b", type: "query", payload: { question: "ready?" } });
   */
  async send(input: SendMessageInput, options: SendOptions = {}): Promise<SendMessageReply> {
    const message = parse(sendMessageSchema, input);
    const key = scopedKey("POST /messages", message.sender, options, message.messageId);
    // Built-in types have no schema of their own, are most of the traffic, and so take no turn of the event loop here.
    if (!isBuiltInMessageType(message.type)) await this.#checkPayload(message);
    const results = await this.#store.sendMessages([this.#prepare(message, key)]);
    const result = results[0];
    if (result === undefined) throw new Error("the store gave no result for the message");
    return result;
  }

  /** Accepts all or none, in order. @throws as send; nothing is written then */
  async sendBatch(
    input: z.input<typeof sendBatchSchema>,
    options: SendOptions = {},
  ): Promise<{ results: SendMessageReply[] }> {
    const { messages } = parse(sendBatchSchema, input);
    const prepared: NewMessage[] = [];
    for (const [index, message] of messages.entries()) {
      const key = scopedKey("POST /messages/batch", message.sender, options, message.messageId, index);
      if (!isBuiltInMessageType(message.type)) await this.#checkPayload(message);
      prepared.push(this.#prepare(message, key));
    }
    return { results: await this.#store.sendMessages(prepared) };
  }

  async #checkPayload(message: SendMessage): Promise<void> {
    const definition = await this.#store.findMessageType(message.type);
    if (definition !== undefined) await this.#schemas.validate(definition, message.payload);
  }

  #prepare(message: SendMessage, idempotencyKey: string | undefined): NewMessage {
    const { messageId, ...rest } = message;
    const id = messageId ?? newId(this.#store.now());
    return { ...rest, messageId: id, requestHash: requestHash(rest), idempotencyKey };
  }

  /** @throws MESSAGE_NOT_FOUND */
  async get(messageId: string): Promise<Message> {
    return this.#store.getMessage(parse(idSchema, messageId, "message id"));
  }

  /** What waits, in delivery order, without leasing it. @throws AGENT_NOT_FOUND */
  async peek(
    agentId: string,
    query: z.input<typeof peekMessagesQuerySchema> = {},
  ): Promise<{ messages: Message[]; nextCursor: string | null }> {
    const page = parse(peekMessagesQuerySchema, query);
    const { items, nextCursor } = await this.#store.peekMessages(parse(idSchema, agentId, "agent id"), page);
    return { messages: items, nextCursor };
  }

  /**
   * Leases due messages by rank. With `waitSeconds` it waits for the first: it wakes at once for a message of this
   * process, and asks at a growing interval (50 ms to 1 s) whether there are others, together with all that wait. It claims
   * first, when it was told of something, and last. When `signal` aborts, it ends without claiming.
   *
   * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
   */
  async receive(
    agentId: string,
    input: ReceiveMessagesInput = {},
    signal?: AbortSignal,
  ): Promise<{ messages: LeasedMessage[] }> {
    const receive = parse(receiveMessagesSchema, input);
    const { maxMessages, maxBytes, types, claimId } = receive;
    const leaseMilliseconds = receive.leaseSeconds * 1_000;
    const claim = {
      agentId: parse(idSchema, agentId, "agent id"),
      maxMessages,
      leaseMilliseconds,
      types,
      maxBytes,
      claimId,
    };
    if (receive.waitSeconds === 0) return { messages: await this.#claim(claim) };
    return { messages: await this.#longPoll(claim, receive, signal) };
  }

  /** Claims until something comes or nothing is left to work off. */
  async #claim(claim: Claim): Promise<LeasedMessage[]> {
    for (;;) {
      const { messages, unfinished } = await this.#store.claimMessages(claim);
      if (messages.length > 0 || !unfinished) return messages;
    }
  }

  async #longPoll(claim: Claim, receive: ReceiveMessages, signal: AbortSignal | undefined): Promise<LeasedMessage[]> {
    const end = this.#store.now() + receive.waitSeconds * 1_000;
    // Listening before looking: what arrives in between is not missed.
    const waiter = this.#waiters.listen(claim.agentId, signal);
    try {
      while (!signal?.aborted) {
        const messages = await this.#claim(claim);
        if (messages.length > 0 || this.#store.now() >= end) return messages;
        await waiter.next(end);
      }
      return [];
    } finally {
      waiter.end();
    }
  }

  /** @throws MESSAGE_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  async complete(messageId: string, input: z.input<typeof completeMessageSchema>): Promise<SettleReply> {
    const { agentId, attempt } = parse(completeMessageSchema, input);
    return this.#settleOne(agentId, { messageId: parse(idSchema, messageId), attempt, outcome: "complete" });
  }

  /** Returns it to the mailbox, after `delaySeconds` (default: the backoff of that attempt). Throws as complete. */
  async retry(messageId: string, input: z.input<typeof retryMessageSchema>): Promise<SettleReply> {
    const { agentId, attempt, delaySeconds, reason } = parse(retryMessageSchema, input);
    const delayMilliseconds = delaySeconds === undefined ? undefined : delaySeconds * 1_000;
    const settlement = { messageId: parse(idSchema, messageId), attempt, outcome: "retry" as const };
    return this.#settleOne(agentId, { ...settlement, delayMilliseconds, reason });
  }

  /** Throws as complete. */
  async deadLetter(messageId: string, input: z.input<typeof deadLetterMessageSchema>): Promise<SettleReply> {
    const { agentId, attempt, reason } = parse(deadLetterMessageSchema, input);
    return this.#settleOne(agentId, { messageId: parse(idSchema, messageId), attempt, outcome: "dead_letter", reason });
  }

  async #settleOne(agentId: string, settlement: NewSettlement): Promise<SettleReply> {
    const results = await this.#store.settleMessages(agentId, [settlement]);
    const result = results[0];
    const { messageId, attempt } = settlement;
    if (result === undefined || result.status === "not_found") {
      throw new AgentCommunicationError("MESSAGE_NOT_FOUND", `There is no message ${messageId}.`);
    }
    if (result.status === "lease_lost") {
      const detail = `Message ${messageId} is not held by ${agentId} in attempt ${attempt}, or was settled otherwise.`;
      throw new AgentCommunicationError("LEASE_LOST", detail);
    }
    return { messageId, status: result.status };
  }

  /** The lease ends `leaseSeconds` from now. Throws as complete. */
  async renew(messageId: string, input: z.input<typeof renewLeaseSchema>): Promise<SettleReply> {
    const { agentId, attempt, leaseSeconds } = parse(renewLeaseSchema, input);
    const id = parse(idSchema, messageId, "message id");
    return this.#store.renewLease({ agentId, messageId: id, attempt, leaseMilliseconds: leaseSeconds * 1_000 });
  }

  /** Settles up to 100, as if sent alone, in order. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  async settle(input: z.input<typeof settleMessagesSchema>): Promise<{ results: SettleResult[] }> {
    const { agentId, settlements } = parse(settleMessagesSchema, input);
    refuseStrayFields(settlements);
    const converted = settlements.map(({ messageId, attempt, outcome, delaySeconds, reason }) => {
      const delayMilliseconds = delaySeconds === undefined ? undefined : delaySeconds * 1_000;
      return { messageId, attempt, outcome, delayMilliseconds, reason };
    });
    return { results: await this.#store.settleMessages(agentId, converted) };
  }

  statistics(): Promise<QueueStatistics> {
    return this.#store.queueStatistics();
  }

  /** Stops listening to the store. */
  close(): void {
    this.#waiters.close();
  }
}

/** As alone, where `complete` takes neither field and `dead-letter` no delay: a field that would be ignored is refused. */
function refuseStrayFields(settlements: readonly Settlement[]): void {
  const errors: FieldError[] = [];
  for (const [index, { outcome, delaySeconds, reason }] of settlements.entries()) {
    const stray = (field: string) =>
      errors.push({ path: `settlements.${index}.${field}`, message: `does not belong to ${outcome}` });
    if (outcome !== "retry" && delaySeconds !== undefined) stray("delaySeconds");
    if (outcome === "complete" && reason !== undefined) stray("reason");
  }
  if (errors.length > 0) {
    const detail = `The request is invalid: ${errors[0]?.path} ${errors[0]?.message}`;
    throw new AgentCommunicationError("INVALID_REQUEST", detail, { errors: errors.slice(0, 20) });
  }
}
