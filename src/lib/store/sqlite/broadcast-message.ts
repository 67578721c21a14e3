import { newId } from "../../model/ids.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { BROADCAST_MAX_BYTES } from "../../model/limits.ts";
import type { SendMessageReply } from "../../model/message.ts";
import { broadcastTooLarge } from "../channel-reading.ts";
import type { NewMessage } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, agentByNo, requireRegistered } from "./agent-rows.ts";
import { refuseUnlessOf } from "./channels.ts";
import { insertMessageRows } from "./new-message-rows.ts";
import { isClaimable, OUT_OF_KEY, placeInKey } from "./ordering-keys.ts";
import { availability, contentsOf, findRepeat, recordSent, refuseWithoutRoom } from "./send-messages.ts";
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
  countAsHeartbeat(transaction, sender);
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

function insertPost(
  transaction: Transaction,
  post: NewMessage,
  sender: AgentRow,
  mailbox: AgentRow,
  text: string,
): void {
  const { now } = transaction;
  insertMessageRows(transaction, {
    ...contentsOf(transaction, post, sender),
    // It is never delivered, so it does not expire.
    ttlSeconds: undefined,
    messageId: post.messageId,
    receiverNo: mailbox.agent_no,
    place: OUT_OF_KEY,
    availableAt: availability(post, now),
    endedAt: now,
    idempotencyKey: post.idempotencyKey,
    requestHash: post.requestHash,
    payload: text,
  });
}

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
  insertMessageRows(transaction, {
    ...contentsOf(transaction, post, sender),
    messageId: newId(now),
    receiverNo: member.agent_no,
    place,
    availableAt,
    channel: post.receiver.slice(1),
    postId: post.messageId,
    payload: text,
  });
  if (isClaimable(transaction, place, availableAt)) transaction.deliverable(member.agent_id);
}
