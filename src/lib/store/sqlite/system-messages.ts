import { newId } from "../../model/ids.ts";
import type { JsonValue } from "../../model/json.ts";
import { ATTEMPTS_DEFAULT } from "../../model/limits.ts";
import type { Priority } from "../../model/values.ts";
import type { AgentRow } from "./agent-rows.ts";
import { endMessage, LIVE_COLUMNS, type LiveMessageRow } from "./message-rows.ts";
import { insertMessageRows } from "./new-message-rows.ts";
import { OUT_OF_KEY } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";

/** Messages that the switchboard writes itself: sender `system`, past any mailbox limit. */

export interface SystemMessage {
  type: "task_assignment" | "task_result" | "task_cancel" | "task_question" | "workflow_result";
  priority: Priority;
  payload: JsonValue;
  /** Of a task_assignment, whose payload is joined from the task when it is read, and of a task_question: by which it is found. */
  task?: { taskNo: number; attempt: number };
  /** Of what is encrypted in the payload. */
  keyVersion?: string | undefined;
  /** The number of the task whose trace it continues. A task_assignment has it by its task when it is read. */
  traceOf?: number;
}

/** Puts it into the mailbox, in this transaction; left out when the receiver is deregistered. */
export function writeSystemMessage(transaction: Transaction, receiver: AgentRow, message: SystemMessage): void {
  if (receiver.status === "deregistered") return;
  insertMessageRows(transaction, {
    messageId: newId(transaction.now),
    senderNo: null,
    receiverNo: receiver.agent_no,
    type: message.type,
    priority: message.priority,
    place: OUT_OF_KEY,
    maxAttempts: ATTEMPTS_DEFAULT,
    availableAt: transaction.now,
    task: message.task,
    keyVersion: message.keyVersion,
    traceOf: message.traceOf,
    payload: JSON.stringify(message.payload),
  });
  transaction.deliverable(receiver.agent_id);
}

const OF_ATTEMPT = `SELECT ${LIVE_COLUMNS} FROM messages WHERE arrival = (
  SELECT arrival FROM message_bodies WHERE task_no = ? AND task_attempt = ? AND type = 'task_assignment')`;
const OF_QUESTION = `SELECT ${LIVE_COLUMNS} FROM messages WHERE arrival IN (
  SELECT arrival FROM message_bodies WHERE task_no = ? AND task_attempt = ? AND type = 'task_question')
  AND status IN ('queued', 'leased')`;

/** Completes the assignment message of an attempt, in whatever state it is: the attempt has started, ended or moved on. */
export function completeAssignmentMessage(transaction: Transaction, taskNo: number, attempt: number): void {
  const message = transaction.get<LiveMessageRow>(OF_ATTEMPT, taskNo, attempt);
  if (message === undefined || message.status === "completed" || message.status === "expired") return;
  endMessage(transaction, message, "completed", { settlement: "task_ended" });
}

/** Completes the messages of the question that an attempt has asked: it is answered, or not open any more. */
export function completeQuestionMessages(transaction: Transaction, taskNo: number, attempt: number): void {
  for (const message of transaction.all<LiveMessageRow>(OF_QUESTION, taskNo, attempt)) {
    endMessage(transaction, message, "completed", { settlement: "task_ended" });
  }
}
