import { z } from "zod";
import { CREDENTIAL_KINDS } from "../model/credential-kind.ts";
import { AGENT_ROLES, SYSTEM_SENDER } from "./agent.ts";
import {
  ATTEMPTS_DEFAULT,
  ATTEMPTS_MAX,
  BATCH_MAX_MESSAGES,
  DEAD_LETTER_BATCH_MAX,
  LEASE_DEFAULT_SECONDS,
  MESSAGE_TYPE_MAX_CHARACTERS,
  RECEIVE_DEFAULT_BYTES,
  RECEIVE_MAX_BYTES,
  RECEIVE_MAX_MESSAGES,
  RECEIVE_MAX_TYPES,
  SETTLE_MAX,
  WAIT_MAX_SECONDS,
} from "./limits.ts";
import {
  attemptSchema,
  delaySecondsSchema,
  durationSecondsSchema,
  idSchema,
  instantSchema,
  jsonSchema,
  leaseSecondsSchema,
  nextCursorSchema,
  noteSchema,
  pageQueryShape,
  prioritySchema,
  receiverSchema,
  traceparentSchema,
} from "./values.ts";
import { writtenDecimal } from "./written-number.ts";

/** The vocabulary of messages: sends, leases, settlements, dead letters. */

export const BUILT_IN_MESSAGE_TYPES = [
  "heartbeat",
  "task_assignment",
  "task_update",
  "task_result",
  "task_cancel",
  "query",
  "response",
  "notification",
  "broadcast",
  "error",
] as const;

/**
 * A built-in type, or a custom one of lower-case letters, digits, dots and underscores; not `.` or `..`, which URL parsers
 * take out of a path.
 */
export const messageTypeSchema = z
  .string()
  .regex(
    new RegExp(`^(?!\\.{1,2}$)[a-z0-9._]{1,${MESSAGE_TYPE_MAX_CHARACTERS}}$`),
    "must be 1–64 lower-case letters, digits, dots or underscores",
  );

/**
 * Types that only the switchboard writes. A receiver acts on them, so an agent may neither send one nor have its custom type called
 * so; the later ones are kept free for it.
 */
export const SWITCHBOARD_MESSAGE_TYPES = [
  "task_assignment",
  "task_result",
  "task_cancel",
  "task_question",
  "workflow_result",
  "receipt",
] as const;

const switchboardTypes: ReadonlySet<string> = new Set(SWITCHBOARD_MESSAGE_TYPES);

/** True for the types that only the switchboard writes. */
export function isSwitchboardMessageType(type: string): boolean {
  return switchboardTypes.has(type);
}

/** The type of a message that an agent sends. */
export const sentMessageTypeSchema = messageTypeSchema.refine((type) => !isSwitchboardMessageType(type), {
  error: ({ input }) =>
    `${String(input)} is written only by the switchboard, when a task changes: use the task routes, or send another type`,
});

export const MESSAGE_STATUSES = ["queued", "leased", "completed", "dead_lettered", "expired"] as const;
export const messageStatusSchema = z.enum(MESSAGE_STATUSES);
export type MessageStatus = z.infer<typeof messageStatusSchema>;

/** What a message is to an agent: sent by it, sent to it, or of a work queue and leased last by it. */
export type MessageRelation = "sent_by" | "sent_to" | "leased_by";

/** `POST /messages`. `deliverAt` lies at most a year ahead, and in the past means now; it and `delaySeconds` exclude each other. */
export const sendMessageSchema = z
  .strictObject({
    messageId: idSchema.optional(),
    sender: idSchema,
    /** An agent, or `#` and the name of a channel. */
    receiver: receiverSchema,
    type: sentMessageTypeSchema,
    priority: prioritySchema.default("normal"),
    payload: jsonSchema().default(null),
    /** The payload is encrypted where it is stored. Its reader sees it plain. */
    sensitive: z.boolean().optional(),
    correlationId: idSchema.optional(),
    replyTo: idSchema.optional(),
    orderingKey: idSchema.optional(),
    deliverAt: instantSchema.optional(),
    delaySeconds: delaySecondsSchema.optional(),
    /** Counted from acceptance, not from `deliverAt`. */
    ttlSeconds: durationSecondsSchema.optional(),
    maxAttempts: z.int().min(1).max(ATTEMPTS_MAX).default(ATTEMPTS_DEFAULT),
  })
  .refine((message) => message.deliverAt === undefined || message.delaySeconds === undefined, {
    error: "give deliverAt or delaySeconds, not both",
    path: ["delaySeconds"],
  });
export type SendMessageInput = z.input<typeof sendMessageSchema>;
export type SendMessage = z.output<typeof sendMessageSchema>;

export const sendMessageReplySchema = z.object({ messageId: idSchema, duplicate: z.boolean() });
export type SendMessageReply = z.infer<typeof sendMessageReplySchema>;

export const sendBatchSchema = z.strictObject({ messages: z.array(sendMessageSchema).min(1).max(BATCH_MAX_MESSAGES) });
export const sendBatchReplySchema = z.object({ results: z.array(sendMessageReplySchema) });

export const senderRoleSchema = z.enum([...AGENT_ROLES, SYSTEM_SENDER]);
export const senderCredentialSchema = z.enum([...CREDENTIAL_KINDS, SYSTEM_SENDER]);

/** A message as `GET /messages/{messageId}` and the lists show it. Fields without a value are absent. */
export const messageSchema = z.object({
  messageId: idSchema,
  sender: idSchema,
  /** Of the sender when it sent, as it was registered; `system` for what the switchboard writes. Absent on older messages. */
  senderRole: senderRoleSchema.optional(),
  /** How the sender proved who it is when it sent. Absent on older messages. */
  senderCredential: senderCredentialSchema.optional(),
  receiver: receiverSchema,
  type: messageTypeSchema,
  priority: prioritySchema,
  payload: z.json(),
  /** The channel that it came through. */
  channel: idSchema.optional(),
  /** Of a member's copy: the messageId of the post. */
  postId: idSchema.optional(),
  /** Of a work queue's message: the member that holds its lease, or held the last one. */
  holder: idSchema.optional(),
  /** True when the payload, or a part of it, is encrypted where it is stored. */
  sensitive: z.boolean().optional(),
  /** True when it cannot be decrypted any more: the payload then reads null. Such a message is never received. */
  undecryptable: z.boolean().optional(),
  correlationId: idSchema.optional(),
  replyTo: idSchema.optional(),
  orderingKey: idSchema.optional(),
  status: messageStatusSchema,
  /** The fencing number: how often the message was claimed. Never decreases. */
  attempt: z.int(),
  /** The attempt after which it is dead-lettered; a redrive sets it to `attempt` plus the original `maxAttempts`. */
  maxAttempts: z.int(),
  acceptedAt: instantSchema,
  availableAt: instantSchema,
  expiresAt: instantSchema.optional(),
  leaseExpiresAt: instantSchema.optional(),
  /** When it was completed, dead-lettered or expired. */
  endedAt: instantSchema.optional(),
  /**
   * Why it was returned, dead-lettered or taken out last: the caller's words, or MAX_ATTEMPTS, RECEIVER_DEREGISTERED,
   * UNDECRYPTABLE, WITHDRAWN, PURGED.
   */
  reason: z.string().optional(),
  /** W3C Trace Context of the call that sent it: whoever goes on with the message continues that trace. */
  traceparent: traceparentSchema.optional(),
});
export type Message = z.infer<typeof messageSchema>;

/** A message as a receive hands it out. */
export const leasedMessageSchema = messageSchema.extend({ leaseExpiresAt: instantSchema });
export type LeasedMessage = z.infer<typeof leasedMessageSchema>;

/** `POST /agents/{agentId}/messages/receive` */
export const receiveMessagesSchema = z.strictObject({
  maxMessages: z.int().min(1).max(RECEIVE_MAX_MESSAGES).default(1),
  waitSeconds: z.number().min(0).max(WAIT_MAX_SECONDS).default(0),
  leaseSeconds: leaseSecondsSchema.default(LEASE_DEFAULT_SECONDS),
  types: z.array(messageTypeSchema).min(1).max(RECEIVE_MAX_TYPES).optional(),
  /** Bytes of payload in one reply, encrypted ones as they are stored; the first message is never held back. */
  maxBytes: z.int().min(1).max(RECEIVE_MAX_BYTES).default(RECEIVE_DEFAULT_BYTES),
  /** Repeating a receive with the same claim id first returns what that id already leased. */
  claimId: idSchema.optional(),
});
export type ReceiveMessagesInput = z.input<typeof receiveMessagesSchema>;
export type ReceiveMessages = z.output<typeof receiveMessagesSchema>;
export const receiveMessagesReplySchema = z.object({ messages: z.array(leasedMessageSchema) });

/** `GET /agents/{agentId}/messages`: what waits, in delivery order, without leasing it. */
export const peekMessagesQuerySchema = z.strictObject({ ...pageQueryShape });
/** The same of an agent's mailbox, which may wait until something in it can be received. */
export const peekMailboxQuerySchema = peekMessagesQuerySchema.extend({
  waitSeconds: writtenDecimal((seconds) => seconds.min(0).max(WAIT_MAX_SECONDS)).default(0),
});
export const listMessagesReplySchema = z.object({ messages: z.array(messageSchema), nextCursor: nextCursorSchema });

const settlementShape = { agentId: idSchema, attempt: attemptSchema };
export const completeMessageSchema = z.strictObject(settlementShape);
export const retryMessageSchema = z.strictObject({
  ...settlementShape,
  delaySeconds: delaySecondsSchema.optional(),
  reason: noteSchema.optional(),
});
export const deadLetterMessageSchema = z.strictObject({ ...settlementShape, reason: noteSchema.optional() });
export const renewLeaseSchema = z.strictObject({
  ...settlementShape,
  leaseSeconds: leaseSecondsSchema.default(LEASE_DEFAULT_SECONDS),
});
export const settleReplySchema = z.object({
  messageId: idSchema,
  status: messageStatusSchema,
  leaseExpiresAt: instantSchema.optional(),
});
export type SettleReply = z.infer<typeof settleReplySchema>;

export const SETTLEMENT_OUTCOMES = ["complete", "retry", "dead_letter"] as const;
export const settlementOutcomeSchema = z.enum(SETTLEMENT_OUTCOMES);
export type SettlementOutcome = z.infer<typeof settlementOutcomeSchema>;

/** One of `POST /messages/settle`; `delaySeconds` belongs to retry, `reason` to retry and dead_letter. */
export const settlementSchema = z.strictObject({
  messageId: idSchema,
  attempt: attemptSchema,
  outcome: settlementOutcomeSchema,
  delaySeconds: delaySecondsSchema.optional(),
  reason: noteSchema.optional(),
});
export type Settlement = z.output<typeof settlementSchema>;
export const settleMessagesSchema = z.strictObject({
  agentId: idSchema,
  settlements: z.array(settlementSchema).min(1).max(SETTLE_MAX),
});
export const settleResultSchema = z.object({
  messageId: idSchema,
  status: z.enum(["completed", "queued", "dead_lettered", "lease_lost", "not_found"]),
});
export const settleMessagesReplySchema = z.object({ results: z.array(settleResultSchema) });

/** `DELETE /messages/{messageId}`. `status` is `completed` for a post, whose copies it withdraws. */
export const withdrawReplySchema = z.object({
  messageId: idSchema,
  status: z.enum(["expired", "completed"]),
  /** How many messages are withdrawn, by this call or an earlier one: 1, of a post the number of its copies; 0: it expired by itself. */
  withdrawn: z.int(),
});
export type WithdrawReply = z.infer<typeof withdrawReplySchema>;

/**
 * Which queued messages of a mailbox; an absent field matches all. `before` compares with the time of acceptance, `dueAfter`
 * with the time at which a message becomes due.
 */
export const mailboxFilterSchema = z.strictObject({
  sender: idSchema.optional(),
  type: messageTypeSchema.optional(),
  before: instantSchema.optional(),
  dueAfter: instantSchema.optional(),
});
export type MailboxFilter = z.output<typeof mailboxFilterSchema>;
/** `POST /agents/{agentId}/messages/purge`: `filter` is required, `{}` is everything. */
export const purgeMailboxSchema = z.strictObject({
  filter: mailboxFilterSchema,
  dryRun: z.boolean().default(false),
});

/** Which dead letters; an absent field matches all. `before` compares with the time of dead-lettering. */
export const deadLetterFilterSchema = z.strictObject({
  receiver: receiverSchema.optional(),
  type: messageTypeSchema.optional(),
  reason: noteSchema.optional(),
  before: instantSchema.optional(),
});
export type DeadLetterFilter = z.output<typeof deadLetterFilterSchema>;
export const listDeadLettersQuerySchema = z.strictObject({
  receiver: receiverSchema.optional(),
  type: messageTypeSchema.optional(),
  reason: noteSchema.optional(),
  ...pageQueryShape,
});

/** Redrive and purge: exactly one of ids and filter. */
export const selectDeadLettersSchema = z
  .strictObject({
    messageIds: z.array(idSchema).min(1).max(DEAD_LETTER_BATCH_MAX).optional(),
    filter: deadLetterFilterSchema.optional(),
    dryRun: z.boolean().default(false),
  })
  .refine((selection) => (selection.messageIds === undefined) !== (selection.filter === undefined), {
    error: "give exactly one of messageIds and filter",
  });
export type SelectDeadLetters = z.output<typeof selectDeadLettersSchema>;
export const countReplySchema = z.object({ count: z.int() });

/** A registered custom type and the JSON Schema (2020-12) that its payloads must satisfy. */
export const messageTypeDefinitionSchema = z.object({
  type: messageTypeSchema,
  schema: z.union([z.boolean(), z.record(z.string(), z.json())]),
  updatedAt: instantSchema,
});
export type MessageTypeDefinition = z.infer<typeof messageTypeDefinitionSchema>;
