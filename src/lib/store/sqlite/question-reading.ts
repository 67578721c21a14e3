import { PRIORITIES } from "../../model/values.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { questionNotFound } from "../question-refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, QuestionOfTask, StoredQuestion } from "../store.ts";
import { buildQuestion, type QuestionRow, questionOfTask, type TaskValueRow } from "../task-values.ts";
import { findAgent } from "./agent-rows.ts";
import { findTask, type TaskRow, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Questions as the domain gets them. */

const COLUMNS = `q.question_no, q.attempt, q.asked_version, q.state, q.asked_at, q.expires_at, q.answered_by, q.answered_at,
  (SELECT a.agent_id FROM task_attempts p JOIN agents a USING (agent_no) WHERE p.task_no = q.task_no AND p.attempt = q.attempt) AS asked_by`;
const NEWEST = `SELECT ${COLUMNS} FROM task_questions q WHERE q.task_no = ? ORDER BY q.attempt DESC LIMIT 1`;
const ASKED_OF = `SELECT a.agent_id FROM question_answerers r JOIN agents a USING (agent_no)
  WHERE r.question_no = ? AND r.asked = 1`;
const VALUES = "SELECT name, value, key_version FROM task_values WHERE task_no = ?";

type Row = QuestionRow & { question_no: number };

/** What a task keeps in rows of their own, by name. */
export function readTaskValues(transaction: Transaction, taskNo: number): TaskValueRow[] {
  return transaction.all<TaskValueRow>(VALUES, taskNo);
}

/** The newest question of a task, if it ever had one. */
export function newestQuestion(
  transaction: Transaction,
  taskNo: number,
  values: readonly TaskValueRow[],
): StoredQuestion | undefined {
  const row = transaction.get<Row>(NEWEST, taskNo);
  return row && buildQuestion(row, askedOf(transaction, row.question_no), values);
}

function askedOf(transaction: Transaction, questionNo: number): string[] {
  return transaction
    .all<{ agent_id: string }>(ASKED_OF, questionNo)
    .map(({ agent_id }) => agent_id)
    .sort();
}

type Listed = Row & Pick<TaskRow, "task_no" | "task_id" | "task_type" | "priority"> & { supervisor_id: string };

const OF_TASK = `t.task_no, t.task_id, t.task_type, t.priority, (SELECT agent_id FROM agents WHERE agent_no = t.supervisor_no) AS supervisor_id`;
const BY_ID = `SELECT ${COLUMNS}, ${OF_TASK},
    NOT EXISTS (SELECT 1 FROM task_questions n WHERE n.task_no = q.task_no AND n.attempt > q.attempt) AS newest
  FROM task_questions q JOIN tasks t USING (task_no) WHERE q.task_no = ? AND q.asked_version = ? AND q.asked_version > 0`;

/** @throws TASK_NOT_FOUND, NOT_FOUND */
export function getQuestion(transaction: Transaction, taskId: string, questionId: string): QuestionOfTask {
  const task = findTask(transaction, taskId);
  if (task === undefined) throw taskNotFound(taskId);
  const row = transaction.get<Listed & { newest: number }>(BY_ID, task.task_no, Number(questionId));
  if (row === undefined) throw questionNotFound(taskId, questionId);
  return read(transaction, row, row.newest === 1);
}

function read(transaction: Transaction, row: Listed, newest: boolean): QuestionOfTask {
  const values = newest ? readTaskValues(transaction, row.task_no) : [];
  return questionOfTask(row, askedOf(transaction, row.question_no), values, PRIORITIES[row.priority] ?? "normal");
}

const OPEN = `SELECT ${COLUMNS}, ${OF_TASK} FROM task_questions q INDEXED BY task_questions_open JOIN tasks t USING (task_no)
  WHERE q.state = 'open' AND q.question_no > ? ORDER BY q.question_no LIMIT ?`;
const OPEN_OF_AGENT = `SELECT ${COLUMNS}, ${OF_TASK}
  FROM question_answerers r INDEXED BY question_answerers_of_agent CROSS JOIN task_questions q ON q.question_no = r.question_no
  CROSS JOIN tasks t ON t.task_no = q.task_no
  WHERE r.agent_no = ? AND r.open = 1 AND r.question_no > ? ORDER BY r.question_no LIMIT ?`;

/** Open questions that an agent may answer, the oldest first; without an agent all. */
export function listQuestions(
  transaction: Transaction,
  { agentId, cursor, limit }: Page & { agentId?: string | undefined },
): Paged<QuestionOfTask> {
  const filters = { list: "questions", agentId };
  const after = decodeCursor(filters, cursor, 1)?.[0] ?? 0;
  // 0 is the number of no agent.
  const agentNo = agentId === undefined ? undefined : (findAgent(transaction, agentId)?.agent_no ?? 0);
  const rows =
    agentNo === undefined
      ? transaction.all<Listed>(OPEN, after, limit + 1)
      : transaction.all<Listed>(OPEN_OF_AGENT, agentNo, after, limit + 1);
  return takePage(
    rows,
    limit,
    (row) => read(transaction, row, true),
    (last) => encodeCursor(filters, [last.question_no]),
  );
}
