import type { JsonValue } from "../../model/json.ts";
import type { MessageStatus } from "../../model/message.ts";
import { ResultRoom } from "../dependency-results.ts";
import {
  asLeased,
  joinDependencies,
  joinResume,
  joinTask,
  type MessageColumns,
  type MessageParts,
  readColumns,
  type TaskPart,
  tellsOfDependencies,
  tellsOfResume,
  unjoinedPayload,
} from "../message-reading.ts";
import type { StoredLeasedMessage, StoredMessage } from "../store.ts";
import { type AgentRow, agentByNo } from "./agent-rows.ts";
import { dependencyBytes, readDependencies } from "./dependency-results.ts";
import { freeNextOfKey } from "./ordering-keys.ts";
import { newestQuestion, readTaskValues } from "./question-reading.ts";
import type { Transaction } from "./transaction.ts";
import { rejoinTypedStream } from "./typed-streams.ts";

/** The row of a message: how it reads, how it ends, and how its ordering key moves on. */

export type StoredSettlement = "complete" | "retry_queued" | "retry_dead_lettered" | "dead_letter" | "task_ended";

/** What a transition reads: each column costs 0.15 µs, so the hot path reads these alone. */
export interface LiveMessageRow {
  arrival: number;
  sender_no: number | null;
  receiver_no: number;
  status: MessageStatus;
  attempt: number;
  attempt_limit: number;
  available_at: number;
  settlement: StoredSettlement | null;
  ordering_key: string | null;
}
/** Its columns, of messages alone or joined with message_bodies. */
export const LIVE_COLUMNS =
  "arrival, sender_no, receiver_no, status, attempt, attempt_limit, available_at, settlement, ordering_key";

/** The live row of a message id. */
export const LIVE_BY_ID = `SELECT ${LIVE_COLUMNS} FROM messages
  WHERE arrival = (SELECT arrival FROM message_bodies WHERE message_id = ?)`;

/** What its reader sees of a message. */
export interface ReadableMessageRow extends MessageColumns {
  arrival: number;
  sender_no: number | null;
  receiver_no: number;
  status: MessageStatus;
  key_version: string | null;
  task_no: number | null;
  traceparent: string | null;
  /** JSON text. */
  payload: string;
}
/** Its columns, of `messages m` joined with `message_bodies b`. */
export const READABLE_COLUMNS = `m.arrival, b.message_id, m.sender_no, m.receiver_no, b.type, m.priority, m.status, m.attempt,
    m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason, b.correlation_id,
    b.reply_to, m.ordering_key, b.sender_role, b.sender_credential, b.key_version, b.task_no, b.payload, b.channel, b.post_id,
    m.holder, b.traceparent`;
/** Selects a ReadableMessageRow; a condition follows. */
export const SELECT_READABLE = `SELECT ${READABLE_COLUMNS} FROM messages m JOIN message_bodies b ON b.arrival = m.arrival`;

const HOLDER = "SELECT holder FROM messages WHERE arrival = ?";

/** Whether the agent may settle what its attempt leased: the receiver, or, of a channel's message, who leased it last. */
export function holds(transaction: Transaction, agent: AgentRow, message: LiveMessageRow): boolean {
  if (message.receiver_no === agent.agent_no) return true;
  // Read apart, so that the hot path does not carry a column that is nearly always empty.
  return transaction.get<{ holder: string | null }>(HOLDER, message.arrival)?.holder === agent.agent_id;
}

const OF_TASK = `SELECT b.description, b.parameters, b.key_version, b.traceparent FROM tasks t JOIN task_bodies b USING (task_no)
  WHERE t.task_no = ?`;

const OF_TASK_BYTES = `SELECT length(CAST(description AS BLOB)) + length(CAST(parameters AS BLOB)) AS bytes FROM task_bodies
  WHERE task_no = ?`;
const RESUME_BYTES = `SELECT sum(length(CAST(value AS BLOB))) AS bytes FROM task_values
  WHERE task_no = ? AND name IN ('checkpoint', 'answer', 'default_answer')`;

/** Bytes of the payload as its reader gets it. */
export function payloadBytes(transaction: Transaction, row: ReadableMessageRow): number {
  const stored = Buffer.byteLength(row.payload);
  if (row.task_no === null || row.type !== "task_assignment") return stored;
  const task = transaction.get<{ bytes: number }>(OF_TASK_BYTES, row.task_no);
  const resume = tellsOfResume(row.payload)
    ? transaction.get<{ bytes: number | null }>(RESUME_BYTES, row.task_no)
    : undefined;
  const dependencies = tellsOfDependencies(row.payload) ? dependencyBytes(transaction, row.task_no) : 0;
  return stored + (task?.bytes ?? 0) + (resume?.bytes ?? 0) + dependencies;
}

type PayloadParts = Pick<MessageParts, "payload" | "keyVersion" | "traceparent" | "resumeKeys" | "dependencyKeys">;

/** The payload as its reader gets it; that of an assignment is joined with its task, unless that is in the archive. */
function readPayload(transaction: Transaction, row: ReadableMessageRow, whole: boolean): PayloadParts {
  const task =
    row.task_no === null || row.type !== "task_assignment"
      ? undefined
      : transaction.get<TaskPart & { traceparent: string | null }>(OF_TASK, row.task_no);
  if (task === undefined || row.task_no === null) {
    const payload = unjoinedPayload(row.type, row.payload);
    return { payload, keyVersion: row.key_version, traceparent: row.traceparent };
  }
  const payload = JSON.parse(row.payload) as JsonValue;
  const { payload: joined, dependencyKeys } = withDependencies(transaction, row, joinTask(payload, task), whole);
  const parts = { keyVersion: task.key_version, traceparent: task.traceparent, dependencyKeys };
  if (!tellsOfResume(row.payload)) return { payload: joined, ...parts };
  const values = readTaskValues(transaction, row.task_no);
  return { ...joinResume(joined, values, newestQuestion(transaction, row.task_no, values)), ...parts };
}

function withDependencies(
  transaction: Transaction,
  { payload: stored, task_no: taskNo }: ReadableMessageRow,
  payload: { [key: string]: JsonValue },
  whole: boolean,
): ReturnType<typeof joinDependencies> {
  if (taskNo === null || !tellsOfDependencies(stored)) return { payload };
  return joinDependencies(payload, whole ? readDependencies(transaction, taskNo, new ResultRoom()) : undefined);
}

/** What the message reads as: one past its time to live reads as expired before the store has recorded it. */
function readStatus(transaction: Transaction, row: ReadableMessageRow): MessageStatus {
  const past = row.expires_at !== null && row.expires_at <= transaction.now;
  return row.status === "queued" && past ? "expired" : row.status;
}

/** The message as it is stored. `whole`: an assignment tells of dependencies, which lists leave out. */
export function readMessage(transaction: Transaction, row: ReadableMessageRow, whole = false): StoredMessage {
  return readColumns(row, {
    sender: row.sender_no === null ? null : agentByNo(transaction, row.sender_no).agent_id,
    receiver: agentByNo(transaction, row.receiver_no).agent_id,
    status: readStatus(transaction, row),
    ...readPayload(transaction, row, whole),
  });
}

/** A leased message as a receive hands it out. */
export function readLeased(
  transaction: Transaction,
  row: ReadableMessageRow & { lease_expires_at: number },
): StoredLeasedMessage {
  return asLeased(readMessage(transaction, row, true), row.lease_expires_at);
}

/** Why and how a message ends. */
export interface Ending {
  settlement?: StoredSettlement;
  reason?: string | undefined;
}

/**
 * One statement for each way to end: SQLite opens every index that a named column is in. A leased message is free, joined and in
 * no stream; what never becomes a dead letter names no dead_at.
 */
const END = endSql("");
const END_DEAD = endSql(", dead_at = ?2");
const END_WAITING = endSql(", held = 0, joined = 1, stream_type = NULL, dead_at = iif(?1 = 'dead_lettered', ?2, NULL)");

function endSql(more: string): string {
  return `UPDATE messages SET status = ?1, lease_expires_at = NULL, claim_id = NULL, ended_at = ?2,
    settlement = coalesce(?3, settlement), reason = coalesce(?4, reason)${more} WHERE arrival = ?5`;
}

function endSqlOf(from: MessageStatus, to: MessageStatus): string {
  if (from !== "leased") return END_WAITING;
  return to === "dead_lettered" ? END_DEAD : END;
}

/** Ends a message, once: the row, the counts, and the next of its ordering key. The caller has checked that it may end. */
export function endMessage(
  transaction: Transaction,
  message: LiveMessageRow,
  status: "completed" | "dead_lettered" | "expired",
  ending: Ending = {},
): void {
  const settlement = ending.settlement ?? null;
  const sql = endSqlOf(message.status, status);
  transaction.run(sql, status, transaction.now, settlement, ending.reason ?? null, message.arrival);
  transaction.count(`messages:${message.status}`, -1);
  transaction.count(`messages:${status}`, 1);
  if (message.status === "queued" || message.status === "leased") {
    transaction.mailboxes.add(message.receiver_no, message.sender_no, -1);
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
  rejoinTypedStream(transaction, message.receiver_no, message.arrival);
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
