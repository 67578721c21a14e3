import { newId } from "../../model/ids.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { BROADCAST_MAX_BYTES } from "../../model/limits.ts";
import type { SendMessageReply } from "../../model/message.ts";
import { PRIORITIES } from "../../model/values.ts";
import { broadcastTooLarge } from "../channel-reading.ts";
import type { NewMessage } from "../store.ts";
import { type AgentRow, agentByNo, requireRegistered } from "./agent-rows.ts";
import { refuseUnlessOf } from "./channels.ts";
import { storePayload } from "./message-rows.ts";
import { isClaimable, placeInKey } from "./ordering-keys.ts";
import { availability, findRepeat, recordSent, refuseWithoutRoom } from "./send-messages.ts";
import type { Transaction } from "./transaction.ts";

const MEMBERS = "SELECT agent_no FROM channel_members WHERE channel_no = ? ORDER BY agent_no";

/**
 * Copies the message to every member of its channel, deregistered ones left out; all or none. The post is kept as a
 * completed message of the channel's mailbox: by it a repeat is recognised.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND, MAILBOX_FULL, PAYLOAD_TOO_LARGE, ID_TAKEN,
 * IDEMPOTENCY_MISMATCH
 */
export function broadcastMessage(transaction: Transaction, post: NewMessage): SendMessageReply {
  const sender = requireRegistered(transaction, post.sender);
  const repeatOf = findRepeat(transaction, post, sender);
  if (repeatOf !== undefined) return { messageId: repeatOf, duplicate: true };
  const mailbox = requireRegistered(transaction, post.receiver);
  refuseUnlessOf(transaction, "broadcast", mailbox, post.receiver.slice(1));
  const members = registeredMembers(transaction, mailbox.agent_no);
  const { text, bytes } = jsonTextOf(post.payload);
  if (bytes * members.length > BROADCAST_MAX_BYTES) throw broadcastTooLarge(members.length);
  // A sender of posts need not know who the members are.
  const named = `a member of ${post.receiver}`;
  for (const receiver of members) refuseWithoutRoom(transaction, { sender, receiver, named });
  insertPost(transaction, post, sender, mailbox, text);
  for (const member of members) insertCopy(transaction, post, sender, member, text);
  recordSent(transaction, post);
  return { messageId: post.messageId, duplicate: false };
}

function registeredMembers(transaction: Transaction, channelNo: number): AgentRow[] {
  return transaction
    .all<{ agent_no: number }>(MEMBERS, channelNo)
    .map((row) => agentByNo(transaction, row.agent_no))
    .filter((agent) => agent.status !== "deregistered");
}

const INSERT_POST = `INSERT INTO messages (message_id, sender_no, receiver_no, type, priority, status, held, attempt_limit,
  max_attempts, accepted_at, available_at, ended_at, correlation_id, reply_to, ordering_key, idempotency_key, request_hash,
  sender_role, sender_credential, key_version, traceparent, payload)
  VALUES (?, ?, ?, ?, ?, 'completed', 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function insertPost(
  transaction: Transaction,
  post: NewMessage,
  sender: AgentRow,
  mailbox: AgentRow,
  text: string,
): void {
  const { now } = transaction;
  const { inline, apart } = storePayload(text);
  const inserted = transaction.run(
    INSERT_POST,
    post.messageId,
    sender.agent_no,
    mailbox.agent_no,
    post.type,
    PRIORITIES.indexOf(post.priority),
    post.maxAttempts,
    post.maxAttempts,
    now,
    availability(post, now),
    now,
    post.correlationId ?? null,
    post.replyTo ?? null,
    post.orderingKey ?? null,
    post.idempotencyKey ?? null,
    post.requestHash,
    sender.role,
    transaction.call.credential,
    post.keyVersion ?? null,
    post.traceparent ?? null,
    inline,
  );
  if (apart !== null) transaction.run("INSERT INTO message_payloads VALUES (?, ?)", inserted.lastInsertRowid, apart);
  transaction.count("messages:completed", 1);
  transaction.countAccepted();
}

const INSERT_COPY = `INSERT INTO messages (message_id, sender_no, receiver_no, type, priority, status, held, joined,
  attempt_limit, max_attempts, accepted_at, available_at, expires_at, correlation_id, reply_to, ordering_key, sender_role,
  sender_credential, key_version, traceparent, payload, channel, post_id)
  VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function insertCopy(
  transaction: Transaction,
  post: NewMessage,
  sender: AgentRow,
  member: AgentRow,
  text: string,
): void {
  const { now } = transaction;
  const availableAt = availability(post, now);
  const place = placeInKey(transaction, member.agent_no, post.orderingKey, availableAt);
  const { inline, apart } = storePayload(text);
  const inserted = transaction.run(
    INSERT_COPY,
    newId(now),
    sender.agent_no,
    member.agent_no,
    post.type,
    PRIORITIES.indexOf(post.priority),
    place.held,
    place.joined,
    post.maxAttempts,
    post.maxAttempts,
    now,
    availableAt,
    post.ttlSeconds === undefined ? null : now + Math.ceil(post.ttlSeconds * 1_000),
    post.correlationId ?? null,
    post.replyTo ?? null,
    post.orderingKey ?? null,
    sender.role,
    transaction.call.credential,
    post.keyVersion ?? null,
    post.traceparent ?? null,
    inline,
    post.receiver.slice(1),
    post.messageId,
  );
  if (apart !== null) transaction.run("INSERT INTO message_payloads VALUES (?, ?)", inserted.lastInsertRowid, apart);
  transaction.count("messages:queued", 1);
  transaction.addToMailbox(member.agent_no, 1);
  transaction.countAccepted();
  if (isClaimable(transaction, place, availableAt)) transaction.deliverable(member.agent_id);
}
