import type { z } from "zod";
import { type SendOptions, scopedKey } from "../../base/idempotency.ts";
import { type ChannelRight, type ReceiveFromChannelInput, receiveFromChannelSchema } from "../../model/channel.ts";
import type { Clock } from "../../model/clock.ts";
import { AgentCommunicationError, type FieldError } from "../../model/errors.ts";
import {
  completeMessageSchema,
  deadLetterMessageSchema,
  type LeasedMessage,
  type Message,
  peekMailboxQuerySchema,
  peekMessagesQuerySchema,
  purgeMailboxSchema,
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
  type WithdrawReply,
} from "../../model/message.ts";
import { isBuiltInMessageType } from "../../model/message-type.ts";
import { parse } from "../../model/parse.ts";
import type { QueueStatistics } from "../../model/statistics.ts";
import { CHANNEL_SIGIL, channelNameSchema, channelOf, idSchema } from "../../model/values.ts";
import type { ContentEncryption } from "../../security/content-encryption.ts";
import type { Claim, NewSettlement, SettleResult, Store } from "../../store/store.ts";
import { ChannelPolicy } from "../channels/channel-policy.ts";
import { refuseFarDelivery } from "./far-delivery.ts";
import { MailboxReceiver } from "./mailbox-receiver.ts";
import { MessageContents, type Outgoing } from "./message-contents.ts";
import { PayloadSchemas } from "./payload-schemas.ts";
import { Polls } from "./polls.ts";

/** The durable mailboxes: send, receive under a lease, settle. */
export class MessageQueueManager {
  readonly #store: Store;
  readonly #contents: MessageContents;
  readonly #schemas: PayloadSchemas;
  readonly #policy: ChannelPolicy;
  readonly #receiver: MailboxReceiver;

  /**
   * @param options.polls left out: no other long polls are counted together with those of mailboxes
   * @param options.policy left out: channels are for everybody, and everybody may write to everybody
   * @param options.encryption left out: nothing sensitive is taken
   */
  constructor(options: {
    store: Store;
    clock: Clock;
    encryption?: ContentEncryption;
    schemas?: PayloadSchemas;
    policy?: ChannelPolicy;
    polls?: Polls;
  }) {
    const { store, clock, polls = new Polls() } = options;
    this.#store = store;
    this.#contents = new MessageContents(options);
    this.#schemas = options.schemas ?? new PayloadSchemas();
    this.#policy = options.policy ?? new ChannelPolicy({ store, clock, policy: "open" });
    this.#receiver = new MailboxReceiver(store, clock, this.#contents, polls);
  }

  /**
   * Accepts a message: once this resolves it is durable. A repeat with the same id (or key) returns the first result. The
   * receiver `#name` is a channel: its work queue, or every member of it.
   *
   * @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE, AGENT_NOT_FOUND, AGENT_DEREGISTERED, MAILBOX_FULL, ID_TAKEN,
   * IDEMPOTENCY_MISMATCH, SCHEMA_MISMATCH, CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND, KEY_UNAVAILABLE
   * @example
   * await messages.send({ sender: "a", receiver: "b", type: "query", payload: { question: "ready?" } });
   */
  async send(input: SendMessageInput, options: SendOptions = {}): Promise<SendMessageReply> {
    const message = parse(sendMessageSchema, input);
    refuseFarDelivery([message], this.#store.now(), () => "deliverAt");
    const idempotencyKey = scopedKey("POST /messages", message.sender, options, message.messageId);
    // Built-in types have no schema of their own, are most of the traffic, and so take no turn of the event loop here.
    if (!isBuiltInMessageType(message.type)) await this.#checkPayload(message);
    const channel = channelOf(message.receiver);
    if (channel !== undefined) return this.#sendToChannel(channel, { message, idempotencyKey });
    if (this.#policy.restricted) await this.#policy.requireCommonChannel(message.sender, message.receiver);
    return this.#sendOne({ message, idempotencyKey });
  }

  async #sendOne(outgoing: Outgoing): Promise<SendMessageReply> {
    const [result] = await this.#contents.send([outgoing]);
    if (result === undefined) throw new Error("the store gave no result for the message");
    return result;
  }

  #sendToChannel(channel: string, outgoing: Outgoing): Promise<SendMessageReply> {
    return this.#policy.withFreshAnswers(async () => {
      const { kind } = await this.#policy.require(channel, "post");
      return kind === "broadcast" ? this.#contents.broadcast(outgoing) : this.#sendOne(outgoing);
    });
  }

  /** Accepts all or none, in order. Broadcast channels take no batches. @throws as send; nothing is written then */
  async sendBatch(
    input: z.input<typeof sendBatchSchema>,
    options: SendOptions = {},
  ): Promise<{ results: SendMessageReply[] }> {
    const { messages } = parse(sendBatchSchema, input);
    refuseFarDelivery(messages, this.#store.now(), (index) => `messages.${index}.deliverAt`);
    const outgoing: Outgoing[] = [];
    for (const [index, message] of messages.entries()) {
      const idempotencyKey = scopedKey("POST /messages/batch", message.sender, options, message.messageId, index);
      if (!isBuiltInMessageType(message.type)) await this.#checkPayload(message);
      outgoing.push({ message, idempotencyKey });
    }
    const results = await this.#policy.withFreshAnswers(async () => {
      await this.#admitBatch(messages);
      return this.#contents.send(outgoing);
    });
    return { results };
  }

  async #admitBatch(messages: readonly SendMessage[]): Promise<void> {
    for (const [index, { sender, receiver }] of messages.entries()) {
      const channel = channelOf(receiver);
      if (channel === undefined) {
        if (this.#policy.restricted) await this.#policy.requireCommonChannel(sender, receiver);
      } else if ((await this.#policy.require(channel, "post")).kind === "broadcast") {
        const message = `${receiver} is a broadcast channel, and a batch cannot contain posts`;
        const errors = [{ path: `messages.${index}.receiver`, message }];
        throw new AgentCommunicationError("INVALID_REQUEST", `The batch is invalid: ${message}.`, { errors });
      }
    }
  }

  async #checkPayload(message: SendMessage): Promise<void> {
    const definition = await this.#store.findMessageType(message.type);
    if (definition !== undefined) await this.#schemas.validate(definition, message.payload);
  }

  /** @throws MESSAGE_NOT_FOUND, KEY_UNAVAILABLE */
  async get(messageId: string): Promise<Message> {
    return this.#contents.reveal(await this.#store.getMessage(parse(idSchema, messageId, "message id")));
  }

  /**
   * What waits, in delivery order, without leasing it. With `waitSeconds` it first waits until something can be received; a mailbox
   * that nobody else reads is then not empty.
   *
   * @throws AGENT_NOT_FOUND, KEY_UNAVAILABLE; RATE_LIMITED (too many long polls of one credential)
   */
  async peek(
    agentId: string,
    query: z.input<typeof peekMailboxQuerySchema> = {},
    signal?: AbortSignal,
  ): Promise<{ messages: Message[]; nextCursor: string | null }> {
    const { waitSeconds, ...page } = parse(peekMailboxQuerySchema, query);
    const mailbox = parse(idSchema, agentId, "agent id");
    await this.#receiver.untilDeliverable(mailbox, { waitSeconds, signal });
    const { items, nextCursor } = await this.#store.peekMessages(mailbox, page);
    return { messages: await this.#contents.revealAll(items), nextCursor };
  }

  /**
   * Leases due messages by rank; with `waitSeconds` it waits for the first. When `signal` aborts, it ends without claiming.
   *
   * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
   */
  async receive(
    agentId: string,
    input: ReceiveMessagesInput = {},
    signal?: AbortSignal,
  ): Promise<{ messages: LeasedMessage[] }> {
    const receive = parse(receiveMessagesSchema, input);
    const claim = { ...claimOf(receive), agentId: parse(idSchema, agentId, "agent id") };
    const patience = { waitSeconds: receive.waitSeconds, signal };
    return { messages: await this.#receiver.receive(claim.agentId, claim, patience) };
  }

  /**
   * As `receive`, from a work queue, whose members compete: the leases are those of `agentId`, which settles them as its own.
   *
   * @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND, INVALID_REQUEST (a broadcast channel), AGENT_NOT_FOUND, AGENT_DEREGISTERED
   */
  async receiveFromChannel(
    name: string,
    input: ReceiveFromChannelInput,
    signal?: AbortSignal,
  ): Promise<{ messages: LeasedMessage[] }> {
    const channel = parse(channelNameSchema, name, "name of the channel");
    const { agentId, ...receive } = parse(receiveFromChannelSchema, input);
    const claim = { ...claimOf(receive), agentId, channel };
    const patience = { waitSeconds: receive.waitSeconds, signal };
    const admit = () => this.#requireQueue(channel);
    const messages = await this.#policy.withFreshAnswers(() =>
      this.#receiver.receive(`${CHANNEL_SIGIL}${channel}`, claim, patience, admit),
    );
    return { messages };
  }

  /** What waits in a work queue, in delivery order, without leasing it. @throws as receiveFromChannel */
  async peekChannel(
    name: string,
    query: z.input<typeof peekMessagesQuerySchema> = {},
  ): Promise<{ messages: Message[]; nextCursor: string | null }> {
    const channel = parse(channelNameSchema, name, "name of the channel");
    const page = parse(peekMessagesQuerySchema, query);
    const { items, nextCursor } = await this.#policy.withFreshAnswers(async () => {
      await this.#requireQueue(channel);
      return this.#store.peekMessages(`${CHANNEL_SIGIL}${channel}`, page);
    });
    return { messages: await this.#contents.revealAll(items), nextCursor };
  }

  async #requireQueue(channel: string, right: ChannelRight = "read"): Promise<void> {
    const { kind } = await this.#policy.require(channel, right);
    if (kind === "work_queue") return;
    const detail = `${channel} is a broadcast channel: its posts are delivered to the mailboxes of its members.`;
    throw new AgentCommunicationError("INVALID_REQUEST", detail);
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
      const detail = `Message ${messageId} is not leased by ${agentId} in attempt ${attempt}, or was settled with another outcome.`;
      throw new AgentCommunicationError("LEASE_LOST", detail);
    }
    return { messageId, status: result.status };
  }

  /**
   * The lease ends `leaseSeconds` from now. Throws as complete; LEASE_LOST, too, for a message of a work queue that the caller may not
   * read any more: whoever was taken out keeps what it holds until the lease ends, and no longer.
   */
  async renew(messageId: string, input: z.input<typeof renewLeaseSchema>): Promise<SettleReply> {
    const { agentId, attempt, leaseSeconds } = parse(renewLeaseSchema, input);
    const id = parse(idSchema, messageId, "message id");
    const { reader } = this.#policy;
    return this.#store.renewLease({ agentId, messageId: id, attempt, leaseMilliseconds: leaseSeconds * 1_000, reader });
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

  /**
   * Takes back a message that is still queued; of a post, all copies that are. It reads as expired (`WITHDRAWN`), and its id
   * stays taken. Repeating it changes nothing. Who may: its sender, which the route checks.
   *
   * @throws MESSAGE_NOT_FOUND, LEASE_LOST (it is no longer queued), FORBIDDEN (the switchboard's own)
   */
  withdraw(messageId: string): Promise<WithdrawReply> {
    return this.#store.withdrawMessage(parse(idSchema, messageId, "message id"));
  }

  /**
   * Ends up to 1,000 queued messages of an agent's mailbox that match, due or not; what the switchboard has written stays.
   *
   * @throws INVALID_REQUEST, AGENT_NOT_FOUND
   * @example
   * await messages.purge("backend-1", { filter: { sender: "spammer" } });
   */
  async purge(agentId: string, input: z.input<typeof purgeMailboxSchema>): Promise<{ count: number }> {
    const selection = parse(purgeMailboxSchema, input);
    return { count: await this.#store.purgeMailbox(parse(idSchema, agentId, "agent id"), selection) };
  }

  /** As `purge`, of a work queue, by who may manage it. @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND, INVALID_REQUEST */
  async purgeChannel(name: string, input: z.input<typeof purgeMailboxSchema>): Promise<{ count: number }> {
    const channel = parse(channelNameSchema, name, "name of the channel");
    const selection = parse(purgeMailboxSchema, input);
    const count = await this.#policy.withFreshAnswers(async () => {
      await this.#requireQueue(channel, "manage");
      return this.#store.purgeMailbox(`${CHANNEL_SIGIL}${channel}`, selection);
    });
    return { count };
  }

  statistics(): Promise<QueueStatistics> {
    return this.#store.queueStatistics();
  }

  /** Stops listening to the store. */
  close(): void {
    this.#receiver.close();
  }
}

/** The claim of a receive, beside whose it is. */
function claimOf(receive: ReceiveMessages): Omit<Claim, "agentId"> {
  const { maxMessages, maxBytes, types, claimId, leaseSeconds } = receive;
  return { maxMessages, leaseMilliseconds: leaseSeconds * 1_000, types, maxBytes, claimId };
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
