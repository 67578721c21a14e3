import type { AgentCommunicationError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { BATCH_MAX_MESSAGES } from "../../model/limits.ts";
import type { SendMessageReply } from "../../model/message.ts";
import { PRIORITIES } from "../../model/values.ts";
import { currentCall } from "../../trace/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import type { SendRefusal } from "../rules/refusal-orders.ts";
import { idTaken, mailboxFull, mailboxShareUsed, mismatch } from "../send-refusals.ts";
import type { NewMessage } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { actorBeside } from "./audit.ts";
import type { Batch, BatchResult, Outcome } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { type Procedure, procedure } from "./procedures.ts";
import { ARRIVALS_PER_NUMBER } from "./system-messages.ts";

/** Calls in one batch: each has BATCH_MAX_MESSAGES places of the batch's one arrival number. */
const MAX_ITEMS = Math.floor(ARRIVALS_PER_NUMBER / BATCH_MAX_MESSAGES);

/** One call of one message without an ordering key, and several of them: nearly all. */
const ONE = procedure("send_one_message");
const SINGLE = procedure("send_message");
const SEVERAL = procedure("send_messages");

function procedureFor(calls: readonly (readonly NewMessage[])[]): Procedure {
  const single = calls.every((messages) => messages.length === 1 && messages[0]?.orderingKey === undefined);
  if (!single) return SEVERAL;
  return calls.length === 1 ? ONE : SINGLE;
}

interface SendRow {
  item: number;
  n: number;
  refusal: SendRefusal | null;
  repeat_of: string | null;
  depth: number | null;
  share: number | null;
  known_hash: string | null;
  /** Its sender was inactive. */
  wakes: boolean;
}

/** What a call is answered, and the senders that it finds inactive. */
interface Sent {
  replies: SendMessageReply[];
  wakes: string[];
}

/** @param full whose mailbox MAILBOX_FULL speaks of */
export function sendRefusalOf(
  refusal: SendRefusal,
  message: NewMessage,
  row: { depth: number | null; known_hash: string | null; share: number | null },
  full = message.receiver,
): AgentCommunicationError {
  switch (refusal) {
    case "SENDER_UNKNOWN":
      return agentNotFound(message.sender);
    case "SENDER_LEFT":
      return agentDeregistered(message.sender);
    case "KEY_MISMATCH":
      return mismatch(message, "key", row.known_hash);
    case "ID_TAKEN":
      return idTaken(message.messageId);
    case "ID_MISMATCH":
      return mismatch(message, "id", row.known_hash);
    case "RECEIVER_UNKNOWN":
      return agentNotFound(message.receiver);
    case "RECEIVER_LEFT":
      return agentDeregistered(message.receiver);
    case "MAILBOX_FULL":
      return mailboxFull(full, row.depth ?? 0);
    case "SHARE_USED":
      return mailboxShareUsed(full, row.share ?? 0);
  }
}

/** The earlier message of the call with the same id or key, for each that has one: its position. */
function findTwins(messages: readonly NewMessage[]): (number | undefined)[] {
  const seen = new Map<string, number>();
  return messages.map((message, n) => {
    const key = message.idempotencyKey === undefined ? undefined : `key ${message.idempotencyKey}`;
    const twin = (key === undefined ? undefined : seen.get(key)) ?? seen.get(message.messageId);
    if (twin !== undefined) return twin;
    seen.set(message.messageId, n);
    if (key !== undefined) seen.set(key, n);
    return undefined;
  });
}

/** The same id or key twice in one call: a repeat if it says the same. */
function twinRefusal(message: NewMessage, twin: NewMessage | undefined): SendRefusal | null {
  if (twin === undefined) return null;
  if (twin.sender !== message.sender) return "ID_TAKEN";
  return twin.requestHash === message.requestHash ? null : "ID_MISMATCH";
}

/** What a send and a broadcast say of a message, but for its payload, which travels beside. */
export function encodeNewMessage(message: NewMessage): { [key: string]: JsonValue } {
  return {
    message_id: message.messageId,
    sender: message.sender,
    receiver: message.receiver,
    type: message.type,
    priority: PRIORITIES.indexOf(message.priority),
    deliver_at: message.deliverAt === undefined ? null : Date.parse(message.deliverAt),
    delay: Math.ceil((message.delaySeconds ?? 0) * 1_000),
    ttl: message.ttlSeconds === undefined ? null : Math.ceil(message.ttlSeconds * 1_000),
    max_attempts: message.maxAttempts,
    correlation_id: message.correlationId ?? null,
    reply_to: message.replyTo ?? null,
    ordering_key: message.orderingKey ?? null,
    idempotency_key: message.idempotencyKey ?? null,
    request_hash: message.requestHash,
    payload_bytes: jsonTextOf(message.payload).bytes,
    credential: currentCall().credential,
    ...(message.keyVersion === undefined ? {} : { key_version: message.keyVersion }),
    ...(message.traceparent === undefined ? {} : { traceparent: message.traceparent }),
  };
}

function encodeMessage(message: NewMessage, n: number, twin: NewMessage | undefined): { [key: string]: JsonValue } {
  return { n, ...encodeNewMessage(message), twin: twin !== undefined, twin_refusal: twinRefusal(message, twin) };
}

function decodeCall(messages: readonly NewMessage[], rows: readonly SendRow[]): Outcome<Sent> {
  const twins = findTwins(messages);
  const replies: SendMessageReply[] = [];
  const wakes = new Set<string>();
  for (const [n, message] of messages.entries()) {
    const row = rows[n];
    if (row === undefined) throw new Error(`the batch has no outcome for message ${n} of a call`);
    if (row.refusal !== null) return { refusal: sendRefusalOf(row.refusal, message, row) };
    const twin = twins[n];
    const first = twin === undefined ? row.repeat_of : replies[twin]?.messageId;
    if (row.wakes) wakes.add(message.sender);
    replies.push({ messageId: first ?? message.messageId, duplicate: row.repeat_of !== null });
  }
  return { value: { replies, wakes: [...wakes] } };
}

const SEND: Batch<readonly NewMessage[], Sent> = {
  name: "send-messages",
  sql: procedureFor,
  encode(messages) {
    const twins = findTwins(messages);
    return {
      messages: messages.map((message, n) => encodeMessage(message, n, messages[twins[n] ?? -1])),
      payloads: messages.map((message) => itemJson(message.payload)),
      ...(messages[0] === undefined ? {} : actorBeside(messages[0].sender)),
    };
  },
  decode(result: BatchResult, calls) {
    const rows = result.byItem<SendRow>(0);
    return calls.map((messages, item) => decodeCall(messages, rows.get(item) ?? []));
  },
  maxItems: MAX_ITEMS,
  // Repeats that meet in one process wait for each other; elsewhere the unique index makes the later one try again.
  conflictKey: (messages) => messages[0]?.idempotencyKey ?? messages[0]?.messageId,
};

/**
 * Accepts all or none, in order.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND, MAILBOX_FULL, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export async function sendMessages(
  connection: Connection,
  messages: readonly NewMessage[],
): Promise<SendMessageReply[]> {
  const { replies, wakes } = await connection.run(SEND, messages);
  for (const sender of wakes) await wakeAgent(connection, sender);
  return replies;
}
