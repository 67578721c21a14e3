import type { AgentRole } from "../../model/agent.ts";
import type { CredentialKind } from "../../model/credential-kind.ts";
import type { JsonValue } from "../../model/json.ts";
import type { MessageStatus } from "../../model/message.ts";
import { asLeased, joinTask, type MessageParts, readColumns, type TaskPart } from "../message-reading.ts";
import type { StoredLeasedMessage, StoredMessage } from "../store.ts";
import { type AgentRow, agentByNo } from "./agent-rows.ts";
import { freeNextOfKey } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";

/** The row of a message: how it reads, how it ends, and how its ordering key moves on. */

export type StoredSettlement = "complete" | "retry_queued" | "retry_dead_lettered" | "dead_letter" | "task_ended";

export interface MessageRow {
  arrival: number;
  message_id: string;
  sender_no: number | null;
  receiver_no: number;
  type: string;
  priority: number;
  status: MessageStatus;
  held: number;
  attempt: number;
  attempt_limit: number;
  max_attempts: number;
  accepted_at: number;
  available_at: number;
  expires_at: number | null;
  lease_expires_at: number | null;
  ended_at: number | null;
  settlement: StoredSettlement | null;
  claim_id: string | null;
  reason: string | null;
  correlation_id: string | null;
  reply_to: string | null;
  ordering_key: string | null;
  sender_role: AgentRole | null;
  sender_credential: CredentialKind | null;
  key_version: string | null;
  task_no: number | null;
  task_attempt: number | null;
  channel: string | null;
  post_id: string | null;
  holder: string | null;
  traceparent: string | null;
}

export const MESSAGE_COLUMNS =
  "arrival, message_id, sender_no, receiver_no, type, priority, status, held, attempt, attempt_limit, max_attempts, accepted_at, available_at, expires_at, lease_expires_at, ended_at, settlement, claim_id, reason, correlation_id, reply_to, ordering_key, sender_role, sender_credential, key_version, task_no, task_attempt, channel, post_id, holder, traceparent";

/** What a transition needs of a row: each column read costs 0.15 µs, so the hot path reads these alone. */
export type LiveMessageRow = Pick<
  MessageRow,
  "arrival" | "receiver_no" | "status" | "attempt" | "attempt_limit" | "available_at" | "settlement" | "ordering_key"
>;
export const LIVE_COLUMNS =
  "arrival, receiver_no, status, attempt, attempt_limit, available_at, settlement, ordering_key";

/** What its reader sees of a row; the table is `m`. */
export interface ReadableMessageRow
  extends Omit<MessageRow, "held" | "max_attempts" | "settlement" | "claim_id" | "task_attempt"> {
  payload: string | null;
}
export const READABLE_COLUMNS =
  "m.arrival, m.message_id, m.sender_no, m.receiver_no, m.type, m.priority, m.status, m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason, m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.key_version, m.task_no, m.payload, m.channel, m.post_id, m.holder, m.traceparent";

const HOLDER = "SELECT holder FROM messages WHERE arrival = ?";

/** Whether the agent may settle what its attempt leased: the receiver, or, of a channel's message, who leased it last. */
export function holds(transaction: Transaction, agent: AgentRow, message: LiveMessageRow): boolean {
  if (message.receiver_no === agent.agent_no) return true;
  // Read apart, so that the hot path does not carry a column that is nearly always empty.
  return transaction.get<{ holder: string | null }>(HOLDER, message.arrival)?.holder === agent.agent_id;
}

/** Above this many characters a payload is stored apart, so that leasing and settling do not rewrite it. */
const INLINE_CHARACTERS = 2_048;

/** Where a payload's JSON text goes: into the row, or apart. */
export function storePayload(text: string): { inline: string | null; apart: string | null } {
  return text.length <= INLINE_CHARACTERS ? { inline: text, apart: null } : { inline: null, apart: text };
}

/** The JSON text of a payload, wherever it is. */
export function payloadText(transaction: Transaction, row: ReadableMessageRow): string {
  if (row.payload !== null) return row.payload;
  const sql = "SELECT payload FROM message_payloads WHERE arrival = ?";
  return transaction.get<{ payload: string }>(sql, row.arrival)?.payload ?? "null";
}

const OF_TASK = `SELECT b.description, b.parameters, b.key_version, b.traceparent FROM tasks t JOIN task_bodies b USING (task_no)
  WHERE t.task_no = ?`;

const OF_TASK_BYTES = `SELECT length(CAST(description AS BLOB)) + length(CAST(parameters AS BLOB)) AS bytes FROM task_bodies
  WHERE task_no = ?`;

/** Bytes of the payload as its reader gets it, `text` being what is stored of it. */
export function payloadBytes(transaction: Transaction, row: ReadableMessageRow, text: string): number {
  const joined = row.task_no !== null && row.type === "task_assignment";
  const task = joined ? transaction.get<{ bytes: number }>(OF_TASK_BYTES, row.task_no) : undefined;
  return Buffer.byteLength(text) + (task?.bytes ?? 0);
}

/** The payload as its reader gets it; that of an assignment is joined with its task, unless that is in the archive. */
function readPayload(
  transaction: Transaction,
  row: ReadableMessageRow,
  text: string,
): Pick<MessageParts, "payload" | "keyVersion" | "traceparent"> {
  const payload = JSON.parse(text) as JsonValue;
  const task =
    row.task_no === null || row.type !== "task_assignment"
      ? undefined
      : transaction.get<TaskPart & { traceparent: string | null }>(OF_TASK, row.task_no);
  if (task === undefined) return { payload, keyVersion: row.key_version, traceparent: row.traceparent };
  return { payload: joinTask(payload, task), keyVersion: task.key_version, traceparent: task.traceparent };
}

/** What the message reads as: one past its time to live reads as expired before the store has recorded it. */
function readStatus(transaction: Transaction, row: ReadableMessageRow): MessageStatus {
  const past = row.expires_at !== null && row.expires_at <= transaction.now;
  return row.status === "queued" && past ? "expired" : row.status;
}

/** The message as it is stored. */
export function readMessage(transaction: Transaction, row: ReadableMessageRow, text?: string): StoredMessage {
  return readColumns(row, {
    sender: row.sender_no === null ? null : agentByNo(transaction, row.sender_no).agent_id,
    receiver: agentByNo(transaction, row.receiver_no).agent_id,
    status: readStatus(transaction, row),
    ...readPayload(transaction, row, text ?? payloadText(transaction, row)),
  });
}

/** A leased message as a receive hands it out. */
export function readLeased(
  transaction: Transaction,
  row: ReadableMessageRow & { lease_expires_at: number },
  text: string,
): StoredLeasedMessage {
  return asLeased(readMessage(transaction, row, text), row.lease_expires_at);
}

/** Why and how a message ends. */
export interface Ending {
  settlement?: StoredSettlement;
  reason?: string | undefined;
}

const END = `UPDATE messages SET status = ?, held = 0, lease_expires_at = NULL, claim_id = NULL, ended_at = ?,
  settlement = coalesce(?, settlement), reason = coalesce(?, reason) WHERE arrival = ?`;

/** Ends a message, once: the row, the counts, and the next of its ordering key. The caller has checked that it may end. */
export function endMessage(
  transaction: Transaction,
  message: LiveMessageRow,
  status: "completed" | "dead_lettered" | "expired",
  ending: Ending = {},
): void {
  const settlement = ending.settlement ?? null;
  transaction.run(END, status, transaction.now, settlement, ending.reason ?? null, message.arrival);
  transaction.count(`messages:${message.status}`, -1);
  transaction.count(`messages:${status}`, 1);
  if (message.status === "queued" || message.status === "leased") {
    transaction.addToMailbox(message.receiver_no, -1);
    if (message.ordering_key !== null) freeNextOfKey(transaction, message.receiver_no, message.ordering_key);
  }
  message.status = status;
}

const REQUEUE = `UPDATE messages SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = ?,
  settlement = ?, reason = coalesce(?, reason) WHERE arrival = ?`;

/** Returns a leased message to its mailbox, to become available at `availableAt`. */
export function requeueMessage(
  transaction: Transaction,
  message: LiveMessageRow,
  availableAt: number,
  ending: Ending,
): void {
  transaction.run(REQUEUE, availableAt, ending.settlement ?? null, ending.reason ?? null, message.arrival);
  transaction.count("messages:leased", -1);
  transaction.count("messages:queued", 1);
  transaction.deliverableNo(message.receiver_no);
}

/** The reason of a message whose attempts are used up. */
export const MAX_ATTEMPTS_REASON = "MAX_ATTEMPTS";

/** A lease that has ended: the message returns to its old place, or is dead-lettered after its last attempt. */
export function takeBack(transaction: Transaction, message: LiveMessageRow): "queued" | "dead_lettered" {
  if (message.attempt >= message.attempt_limit) {
    endMessage(transaction, message, "dead_lettered", { reason: MAX_ATTEMPTS_REASON });
    return "dead_lettered";
  }
  requeueMessage(transaction, message, message.available_at, {});
  return "queued";
}
