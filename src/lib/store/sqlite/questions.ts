import type { JsonValue } from "../../model/json.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { PRIORITIES } from "../../model/values.ts";
import { iso } from "../instants.ts";
import { askedOfNotFound } from "../question-refusals.ts";
import type { NewQuestion, Sealed } from "../store.ts";
import type { TaskValueName } from "../task-values.ts";
import { agentByNo, findAgent } from "./agent-rows.ts";
import { completeQuestionMessages, writeSystemMessage } from "./system-messages.ts";
import { addEvent, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** The rows of questions: how one is kept, asked and closed. What its task then does is in suspensions.ts and answers.ts. */

const VALUE = `INSERT INTO task_values (task_no, name, value, key_version) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET value = excluded.value, key_version = excluded.key_version`;
const DROP_VALUE = "DELETE FROM task_values WHERE task_no = ? AND name = ?";

/** Keeps a value of a task in place of the one of that name; undefined takes it away. */
export function putTaskValue(
  transaction: Transaction,
  taskNo: number,
  name: TaskValueName,
  sealed: Sealed | undefined,
): void {
  if (sealed === undefined) transaction.run(DROP_VALUE, taskNo, name);
  else transaction.run(VALUE, taskNo, name, jsonTextOf(sealed.value).text, sealed.keyVersion ?? null);
}

/** @returns their numbers @throws AGENT_NOT_FOUND */
export function findAskedOf(transaction: Transaction, { askedOf }: Pick<NewQuestion, "askedOf">): number[] {
  return askedOf.map((agentId) => {
    const agent = findAgent(transaction, agentId);
    if (agent === undefined || agent.status === "deregistered") throw askedOfNotFound(agentId);
    return agent.agent_no;
  });
}

const INSERT = `INSERT INTO task_questions (task_no, attempt, state, timeout_milliseconds, has_default, default_rejects)
  VALUES (?, ?, 'waiting', ?, ?, ?)`;
const ANSWERER = `INSERT INTO question_answerers (question_no, agent_no, asked, open) VALUES (?, ?, ?, 0)
  ON CONFLICT DO UPDATE SET asked = max(asked, excluded.asked)`;

/**
 * Keeps the question of an attempt (0: of a gate), which is not asked yet. Its contents take the place of those of the one before.
 *
 * @param askedOf numbers of the agents that it is asked of
 */
export function keepQuestion(
  transaction: Transaction,
  task: TaskRow,
  question: NewQuestion,
  askedOf: readonly number[],
): void {
  const { content, defaultAnswer, defaultRejects, timeoutMilliseconds } = question;
  const { lastInsertRowid: questionNo } = transaction.run(
    INSERT,
    task.task_no,
    task.attempt,
    timeoutMilliseconds ?? null,
    Number(defaultAnswer !== undefined),
    Number(defaultRejects),
  );
  transaction.run(ANSWERER, questionNo, task.supervisor_no, 0);
  for (const agentNo of askedOf) transaction.run(ANSWERER, questionNo, agentNo, 1);
  putTaskValue(transaction, task.task_no, "question", content);
  putTaskValue(transaction, task.task_no, task.gate === 1 ? "gate_default" : "default_answer", defaultAnswer);
  putTaskValue(transaction, task.task_no, "answer", undefined);
}

/** The history names who has answered, an admin for example: the row of that agent stays for as long as the question does. */
export function keepAnswerer(transaction: Transaction, questionNo: number, agentNo: number): void {
  transaction.run(ANSWERER, questionNo, agentNo, 0);
}

interface KeptQuestion {
  question_no: number;
  timeout_milliseconds: number | null;
}

const KEPT =
  "SELECT question_no, timeout_milliseconds FROM task_questions WHERE task_no = ? AND attempt = ? AND state = 'waiting'";
const OPEN =
  "UPDATE task_questions SET state = 'open', asked_version = ?, asked_at = ?, expires_at = ? WHERE question_no = ?";
const OPEN_ANSWERERS = "UPDATE question_answerers SET open = 1 WHERE question_no = ?";

/**
 * Asks the question that is kept of the task's attempt: the row of the task shows already that it is waiting for input. Those whom it
 * is asked of get a task_question message, else the supervisor.
 *
 * @returns its id
 */
export function askQuestion(transaction: Transaction, task: TaskRow): string {
  const kept = transaction.get<KeptQuestion>(KEPT, task.task_no, task.attempt);
  if (kept === undefined) throw new Error(`task number ${task.task_no} has no question to ask`);
  const { now } = transaction;
  const expiresAt = kept.timeout_milliseconds === null ? null : now + kept.timeout_milliseconds;
  transaction.run(OPEN, task.version, now, expiresAt, kept.question_no);
  transaction.run(OPEN_ANSWERERS, kept.question_no);
  const questionId = String(task.version);
  addEvent(transaction, task, "asked", { agentNo: task.gate === 1 ? null : task.agent_no, detail: questionId });
  sendQuestion(transaction, task, kept.question_no, expiresAt);
  return questionId;
}

const CONTENT = "SELECT value, key_version FROM task_values WHERE task_no = ? AND name = 'question'";
const RECEIVERS = "SELECT agent_no, asked FROM question_answerers WHERE question_no = ? ORDER BY agent_no";

function sendQuestion(transaction: Transaction, task: TaskRow, questionNo: number, expiresAt: number | null): void {
  const content = transaction.get<{ value: string; key_version: string | null }>(CONTENT, task.task_no);
  if (content === undefined) throw new Error(`question number ${questionNo} has no content`);
  const authorNo = task.gate === 1 ? task.supervisor_no : (task.agent_no ?? task.supervisor_no);
  const payload: { [key: string]: JsonValue } = {
    taskId: task.task_id,
    taskType: task.task_type,
    questionId: String(task.version),
    question: JSON.parse(content.value) as JsonValue,
    authoredBy: agentByNo(transaction, authorNo).agent_id,
  };
  if (expiresAt !== null) payload.expiresAt = iso(expiresAt);
  if (content.key_version !== null) payload.sensitive = true;
  const answerers = transaction.all<{ agent_no: number; asked: number }>(RECEIVERS, questionNo);
  const asked = answerers.filter(({ asked }) => asked === 1);
  for (const { agent_no: agentNo } of asked.length > 0 ? asked : answerers) {
    writeSystemMessage(transaction, agentByNo(transaction, agentNo), {
      type: "task_question",
      priority: PRIORITIES[task.priority] ?? "normal",
      payload,
      task: { taskNo: task.task_no, attempt: task.attempt },
      keyVersion: content.key_version ?? undefined,
      traceOf: task.task_no,
    });
  }
}

/** How a question is closed. */
export type Closing =
  | { state: "answered"; by: string; hash: string }
  /** By its default: `by` is `system`. */
  | { state: "timed_out"; by?: string }
  | { state: "ended" };

const CLOSE = `UPDATE task_questions SET state = ?1, asked_at = coalesce(asked_at, ?5), answer_hash = ?2, answered_by = ?3, answered_at = ?4
  WHERE task_no = ?6 AND attempt = ?7 AND state IN ('waiting', 'open') RETURNING question_no`;
const CLOSE_ANSWERERS = "UPDATE question_answerers SET open = 0 WHERE question_no = ? AND open = 1";

/** Closes the question that is open or kept of the task, if there is one; its messages are completed. */
export function closeQuestion(transaction: Transaction, task: TaskRow, closing: Closing): void {
  const { now } = transaction;
  const hash = closing.state === "answered" ? closing.hash : null;
  const by = closing.state === "ended" ? null : (closing.by ?? null);
  const closed = transaction.get<{ question_no: number }>(
    CLOSE,
    closing.state,
    hash,
    by,
    by === null ? null : now,
    now,
    task.task_no,
    task.attempt,
  );
  if (closed === undefined) return;
  transaction.run(CLOSE_ANSWERERS, closed.question_no);
  completeQuestionMessages(transaction, task.task_no, task.attempt);
}
