import { newId } from "../../model/ids.ts";
import type { JsonValue } from "../../model/json.ts";
import { ATTEMPTS_DEFAULT } from "../../model/limits.ts";
import { PRIORITIES, type Priority } from "../../model/values.ts";
import type { AgentRow } from "./agent-rows.ts";
import { endMessage, LIVE_COLUMNS, type LiveMessageRow, storePayload } from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Messages that the switchboard writes itself: sender `system`, past any mailbox limit. */

export interface SystemMessage {
  type: "task_assignment" | "task_result" | "task_cancel";
  priority: Priority;
  payload: JsonValue;
  /** For task_assignment: the payload is joined from the task when it is read. */
  task?: { taskNo: number; attempt: number };
  /** Of what is encrypted in the payload. */
  keyVersion?: string | undefined;
  /** The number of the task whose trace it continues. A task_assignment has it by its task when it is read. */
  traceOf?: number;
}

const INSERT = `INSERT INTO messages (message_id, sender_no, receiver_no, type, priority, status, held, attempt_limit,
  max_attempts, accepted_at, available_at, task_no, task_attempt, key_version, traceparent, payload)
  VALUES (?, NULL, ?, ?, ?, 'queued', 0, ?, ?, ?, ?, ?, ?, ?, (SELECT traceparent FROM task_bodies WHERE task_no = ?), ?)`;

/** Puts it into the mailbox, in this transaction; left out when the receiver is deregistered. */
export function writeSystemMessage(transaction: Transaction, receiver: AgentRow, message: SystemMessage): void {
  if (receiver.status === "deregistered") return;
  const now = transaction.now;
  const payload = JSON.stringify(message.payload);
  const { inline, apart } = storePayload(payload);
  const inserted = transaction.run(
    INSERT,
    newId(now),
    receiver.agent_no,
    message.type,
    PRIORITIES.indexOf(message.priority),
    ATTEMPTS_DEFAULT,
    ATTEMPTS_DEFAULT,
    now,
    now,
    message.task?.taskNo ?? null,
    message.task?.attempt ?? null,
    message.keyVersion ?? null,
    message.traceOf ?? null,
    inline,
  );
  if (apart !== null) {
    transaction.run("INSERT INTO message_payloads VALUES (?, ?)", inserted.lastInsertRowid, apart);
  }
  transaction.count("messages:queued", 1);
  transaction.addToMailbox(receiver.agent_no, 1);
  transaction.countAccepted();
  transaction.deliverable(receiver.agent_id);
}

const OF_ATTEMPT = `SELECT ${LIVE_COLUMNS} FROM messages WHERE task_no = ? AND task_attempt = ? AND type = 'task_assignment'`;

/** Completes the assignment message of an attempt, in whatever state it is: the attempt has started, ended or moved on. */
export function completeAssignmentMessage(transaction: Transaction, taskNo: number, attempt: number): void {
  const message = transaction.get<LiveMessageRow>(OF_ATTEMPT, taskNo, attempt);
  if (message === undefined || message.status === "completed" || message.status === "expired") return;
  endMessage(transaction, message, "completed", { settlement: "task_ended" });
}
