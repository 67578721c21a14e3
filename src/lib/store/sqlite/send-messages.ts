import { jsonTextOf } from "../../model/json-text.ts";
import type { SendMessageReply } from "../../model/message.ts";
import { channelOf } from "../../model/values.ts";
import { isAboveHalf, senderShare } from "../mailbox-room.ts";
import { idTaken, mailboxFull, mailboxShareUsed, mismatch } from "../send-refusals.ts";
import type { NewMessage } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import { auditMessage } from "./audit.ts";
import { refuseUnlessOf } from "./channels.ts";
import { insertMessageRows } from "./new-message-rows.ts";
import { isClaimable, placeInKey } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";

/** What a send needs of the rows it meets, read before anything is written. */
interface Checked {
  message: NewMessage;
  sender: AgentRow;
  receiver: AgentRow;
  /** The id of the first result, when this is a repeat. */
  repeatOf: string | undefined;
}

interface Earlier {
  message_id: string;
  sender_no: number | null;
  request_hash: string | null;
}

/**
 * Accepts all or none, in order: everything is checked before the first row is written.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND, MAILBOX_FULL, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export function sendMessages(transaction: Transaction, messages: readonly NewMessage[]): SendMessageReply[] {
  const single = messages.length === 1 ? messages[0] : undefined;
  // One message is the hot path: no bookkeeping of what else the batch holds.
  const checked = single !== undefined ? [checkMessage(transaction, single)] : checkBatch(transaction, messages);
  for (const { sender } of checked) countAsHeartbeat(transaction, sender);
  return checked.map((item) => {
    if (item.repeatOf !== undefined) return { messageId: item.repeatOf, duplicate: true };
    insertMessage(transaction, item);
    return { messageId: item.message.messageId, duplicate: false };
  });
}

function checkBatch(transaction: Transaction, messages: readonly NewMessage[]): Checked[] {
  // By id and by key: both name an earlier message of the same batch.
  const seen = new Map<string, NewMessage>();
  const added = new Added();
  return messages.map((message) => {
    const key = message.idempotencyKey === undefined ? undefined : `key ${message.idempotencyKey}`;
    const twin = (key === undefined ? undefined : seen.get(key)) ?? seen.get(message.messageId);
    if (twin !== undefined) return checkTwin(transaction, message, twin);
    const checked = checkMessage(transaction, message, added);
    if (checked.repeatOf === undefined) {
      seen.set(message.messageId, message);
      if (key !== undefined) seen.set(key, message);
      added.count(checked.sender.agent_no, checked.receiver.agent_no);
    }
    return checked;
  });
}

/** The same id or key twice in one batch: a repeat if it says the same. */
function checkTwin(transaction: Transaction, message: NewMessage, twin: NewMessage): Checked {
  if (twin.sender !== message.sender) throw idTaken(message.messageId);
  if (twin.requestHash !== message.requestHash) throw mismatch(message, "id");
  const sender = requireRegistered(transaction, message.sender);
  return { message, sender, receiver: requireRegistered(transaction, message.receiver), repeatOf: twin.messageId };
}

function checkMessage(transaction: Transaction, message: NewMessage, added?: Added): Checked {
  const sender = requireRegistered(transaction, message.sender);
  const repeatOf = findRepeat(transaction, message, sender);
  // A repeat gets the first result even when the receiver has gone since.
  if (repeatOf !== undefined) return { message, sender, receiver: sender, repeatOf };
  const receiver = message.receiver === message.sender ? sender : requireRegistered(transaction, message.receiver);
  const channel = channelOf(message.receiver);
  if (channel !== undefined) refuseUnlessOf(transaction, "work_queue", receiver, channel);
  refuseWithoutRoom(transaction, { sender, receiver, added, named: message.receiver });
  return { message, sender, receiver, repeatOf };
}

/** What a batch has added to mailboxes so far, by receiver, and by sender and receiver. */
class Added {
  readonly #counts = new Map<number | string, number>();

  count(senderNo: number, receiverNo: number): void {
    for (const key of [receiverNo, `${senderNo} ${receiverNo}`])
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  to(receiverNo: number): number {
    return this.#counts.get(receiverNo) ?? 0;
  }

  from(senderNo: number, receiverNo: number): number {
    return this.#counts.get(`${senderNo} ${receiverNo}`) ?? 0;
  }
}

/**
 * The mailbox has room for one more message of the sender.
 *
 * @param parts.named how a refusal names the mailbox
 * @throws MAILBOX_FULL
 */
export function refuseWithoutRoom(
  transaction: Transaction,
  parts: { sender: AgentRow; receiver: AgentRow; added?: Added | undefined; named: string },
): void {
  const { sender, receiver, added, named } = parts;
  const { maxMailbox } = transaction.settings;
  const depth = transaction.mailboxes.depth(receiver.agent_no) + (added?.to(receiver.agent_no) ?? 0);
  if (depth >= maxMailbox) throw mailboxFull(named, depth);
  if (!isAboveHalf(depth, maxMailbox)) return;
  const share = senderShare(maxMailbox);
  const earlier = added?.from(sender.agent_no, receiver.agent_no) ?? 0;
  const stored = transaction.mailboxes.ofSender(receiver.agent_no, sender.agent_no, share + 1);
  if (stored + earlier > share) throw mailboxShareUsed(named, share);
}

const BY_ID =
  "SELECT message_id, sender_no, request_hash FROM messages JOIN message_bodies USING (arrival) WHERE message_id = ?";
const BY_KEY =
  "SELECT message_id, sender_no, request_hash FROM messages JOIN message_bodies USING (arrival) WHERE idempotency_key = ?";

/** The id of the message that this one repeats. The key is looked up first: it names the caller's intent. */
export function findRepeat(transaction: Transaction, message: NewMessage, sender: AgentRow): string | undefined {
  if (message.idempotencyKey !== undefined) {
    const earlier = transaction.get<Earlier>(BY_KEY, message.idempotencyKey);
    if (earlier !== undefined) {
      if (earlier.request_hash !== message.requestHash) throw mismatch(message, "key", earlier.request_hash);
      return earlier.message_id;
    }
  }
  const earlier = transaction.get<Earlier>(BY_ID, message.messageId);
  if (earlier === undefined) return undefined;
  if (earlier.sender_no !== sender.agent_no) throw idTaken(message.messageId);
  if (earlier.request_hash !== message.requestHash) throw mismatch(message, "id", earlier.request_hash);
  return earlier.message_id;
}

function insertMessage(transaction: Transaction, { message, sender, receiver }: Checked): void {
  const availableAt = availability(message, transaction.now);
  const place = placeInKey(transaction, receiver.agent_no, message.orderingKey, availableAt);
  insertMessageRows(transaction, {
    ...contentsOf(transaction, message, sender),
    messageId: message.messageId,
    receiverNo: receiver.agent_no,
    place,
    availableAt,
    idempotencyKey: message.idempotencyKey,
    requestHash: message.requestHash,
    payload: jsonTextOf(message.payload).text,
  });
  if (isClaimable(transaction, place, availableAt)) transaction.deliverable(receiver.agent_id);
  recordSent(transaction, message);
}

/** What a message says, and who sends it: the same in a post and in every copy of it. */
export function contentsOf(transaction: Transaction, message: NewMessage, sender: AgentRow) {
  const { type, priority, maxAttempts, ttlSeconds, correlationId, replyTo, orderingKey, keyVersion, traceparent } =
    message;
  return {
    senderNo: sender.agent_no,
    senderRole: sender.role,
    senderCredential: transaction.call.credential,
    type,
    priority,
    maxAttempts,
    ttlSeconds,
    correlationId,
    replyTo,
    orderingKey,
    keyVersion,
    traceparent,
  };
}

/** Records that the message was accepted, where that is audited. */
export function recordSent(transaction: Transaction, { messageId, sender, receiver, type }: NewMessage): void {
  auditMessage(transaction, "message.sent", { messageId, agentId: sender, detail: { sender, receiver, type } });
}

/** When it may be delivered: never before now. */
export function availability(message: NewMessage, now: number): number {
  if (message.deliverAt !== undefined) return Math.max(now, Date.parse(message.deliverAt));
  return now + Math.ceil((message.delaySeconds ?? 0) * 1_000);
}
