import type { JsonValue } from "../model/json.ts";
import type { QuestionState } from "../model/question.ts";
import type { Priority } from "../model/values.ts";
import { iso } from "./instants.ts";
import type { QuestionOfTask, Sealed, StoredQuestion } from "./stored-values.ts";

/** What a task keeps beside its parameters and its result, in rows of their own: how they read, the same in both engines. */

/** What the rows are called. `gate_default` is the default answer of a gate, encrypted as the result that it may become. */
export const TASK_VALUE_NAMES = ["checkpoint", "question", "default_answer", "answer", "gate_default"] as const;
export type TaskValueName = (typeof TASK_VALUE_NAMES)[number];

export interface TaskValueRow {
  name: TaskValueName;
  /** JSON text. */
  value: string;
  key_version: string | null;
}

/** A value as the domain gets it. */
export function readSealed(row: Omit<TaskValueRow, "name">): Sealed {
  const value = JSON.parse(row.value) as JsonValue;
  return row.key_version === null ? { value } : { value, keyVersion: row.key_version };
}

/** The row of a question, with ids for numbers. */
export interface QuestionRow {
  attempt: number;
  asked_version: number;
  state: QuestionState;
  asked_at: number | null;
  expires_at: number | null;
  answered_by: string | null;
  answered_at: number | null;
  /** The agent that asked; null of a gate. */
  asked_by: string | null;
}

/** The value of one of these names, if there is one. */
export function sealedOf(values: readonly TaskValueRow[], ...names: TaskValueName[]): Sealed | undefined {
  const value = values.find(({ name }) => names.includes(name));
  return value && readSealed(value);
}

/** A question as it is stored, with its contents where `values`, those of its task, has them. */
export function buildQuestion(
  row: QuestionRow,
  askedOf: readonly string[],
  values: readonly TaskValueRow[],
): StoredQuestion {
  const question: StoredQuestion = { ...datesOf(row), gate: row.attempt === 0, state: row.state };
  if (row.asked_by !== null) question.askedBy = row.asked_by;
  if (askedOf.length > 0) question.askedOf = [...askedOf];
  const content = sealedOf(values, "question");
  const defaultAnswer = sealedOf(values, "default_answer", "gate_default");
  const answer = sealedOf(values, "answer");
  if (content !== undefined) question.content = content;
  if (defaultAnswer !== undefined) question.defaultAnswer = defaultAnswer;
  if (answer !== undefined) question.answer = answer;
  return question;
}

/** The columns of its task that a question shows. */
interface AskingTask {
  task_id: string;
  task_type: string;
  supervisor_id: string;
}

/** The same with what its readers need to know of its task. */
export function questionOfTask(
  row: QuestionRow & AskingTask,
  askedOf: readonly string[],
  values: readonly TaskValueRow[],
  priority: Priority,
): QuestionOfTask {
  return {
    ...buildQuestion(row, askedOf, values),
    questionId: String(row.asked_version),
    taskId: row.task_id,
    taskType: row.task_type,
    supervisor: row.supervisor_id,
    priority,
  };
}

type Dates = Pick<StoredQuestion, "questionId" | "askedAt" | "expiresAt" | "answeredBy" | "answeredAt">;

function datesOf(row: QuestionRow): Dates {
  const times: Dates = {};
  if (row.asked_version > 0) times.questionId = String(row.asked_version);
  if (row.asked_at !== null) times.askedAt = iso(row.asked_at);
  if (row.expires_at !== null) times.expiresAt = iso(row.expires_at);
  if (row.answered_by !== null) times.answeredBy = row.answered_by;
  if (row.answered_at !== null) times.answeredAt = iso(row.answered_at);
  return times;
}
