import type { AgentRole } from "../../model/agent.ts";
import type { CredentialKind } from "../../model/credential-kind.ts";
import { PRIORITIES, type Priority } from "../../model/values.ts";
import type { Place } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";

/** The one way in which a message gets its rows. */

/** What is written of a message. */
export interface NewMessageRows {
  messageId: string;
  /** null: the switchboard. */
  senderNo: number | null;
  receiverNo: number;
  type: string;
  priority: Priority;
  /** Left out: queued. */
  endedAt?: number;
  place: Place;
  maxAttempts: number;
  availableAt: number;
  ttlSeconds?: number | undefined;
  correlationId?: string | undefined;
  replyTo?: string | undefined;
  orderingKey?: string | undefined;
  idempotencyKey?: string | undefined;
  requestHash?: string | undefined;
  task?: { taskNo: number; attempt: number } | undefined;
  channel?: string;
  postId?: string;
  senderRole?: AgentRole;
  senderCredential?: CredentialKind | null;
  keyVersion?: string | undefined;
  traceparent?: string | undefined;
  /** The number of the task whose trace it continues. */
  traceOf?: number | undefined;
  /** JSON text. */
  payload: string;
}

const ROW = `INSERT INTO messages (sender_no, receiver_no, priority, status, held, joined, attempt_limit, accepted_at, available_at,
  expires_at, ended_at, ordering_key, stream_type) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const BODY = `INSERT INTO message_bodies (arrival, message_id, type, max_attempts, correlation_id, reply_to, idempotency_key,
  request_hash, task_no, task_attempt, channel, post_id, sender_role, sender_credential, key_version, traceparent, payload)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const TRACE = "SELECT traceparent FROM task_bodies WHERE task_no = ?";

/** Inserts a message, queued or completed, with every count that depends on it. */
export function insertMessageRows(transaction: Transaction, message: NewMessageRows): void {
  const { now } = transaction;
  const { senderNo, receiverNo, type, place, endedAt, ttlSeconds } = message;
  const queued = endedAt === undefined;
  const { lastInsertRowid: arrival } = transaction.run(
    ROW,
    senderNo,
    receiverNo,
    PRIORITIES.indexOf(message.priority),
    queued ? "queued" : "completed",
    place.held,
    place.joined,
    message.maxAttempts,
    now,
    message.availableAt,
    ttlSeconds === undefined ? null : now + Math.ceil(ttlSeconds * 1_000),
    endedAt ?? null,
    message.orderingKey ?? null,
    queued && transaction.mailboxes.byType(receiverNo) > 0 ? type : null,
  );
  insertBody(transaction, arrival, message);
  transaction.count(queued ? "messages:queued" : "messages:completed", 1);
  if (queued) transaction.mailboxes.add(receiverNo, senderNo, 1);
  transaction.mailboxes.addNamed(receiverNo, 1);
  if (senderNo !== null) transaction.mailboxes.addNamed(senderNo, 1);
  transaction.countAccepted();
}

function insertBody(transaction: Transaction, arrival: number, message: NewMessageRows): void {
  transaction.run(
    BODY,
    arrival,
    message.messageId,
    message.type,
    message.maxAttempts,
    message.correlationId ?? null,
    message.replyTo ?? null,
    message.idempotencyKey ?? null,
    message.requestHash ?? null,
    message.task?.taskNo ?? null,
    message.task?.attempt ?? null,
    message.channel ?? null,
    message.postId ?? null,
    message.senderRole ?? null,
    message.senderCredential ?? null,
    message.keyVersion ?? null,
    message.traceparent ?? traceOf(transaction, message.traceOf),
    message.payload,
  );
}

function traceOf(transaction: Transaction, taskNo: number | undefined): string | null {
  if (taskNo === undefined) return null;
  return transaction.get<{ traceparent: string | null }>(TRACE, taskNo)?.traceparent ?? null;
}
