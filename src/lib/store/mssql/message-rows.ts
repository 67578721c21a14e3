import type { JsonValue } from "../../model/json.ts";
import type { MessageStatus } from "../../model/message.ts";
import type { QuestionState } from "../../model/question.ts";
import { joinResume, joinTask, type MessageColumns, readColumns, tellsOfResume } from "../message-reading.ts";
import type { StoredMessage, StoredQuestion } from "../store.ts";
import { buildQuestion, type TaskValueName, type TaskValueRow } from "../task-values.ts";

/** The row of a message: how it reads, how it ends, and how its ordering key moves on. */

/** What its reader sees of a message. One past its time to live reads as expired. */
export interface ReadableMessageRow extends MessageColumns, ResumeColumns {
  arrival: number;
  status: MessageStatus;
  sender: string | null;
  receiver: string;
  payload: string;
  /** Of the task, for its assignment message only. */
  description: string | null;
  parameters: string | null;
  /** Of what is encrypted in the payload. */
  key_version: string | null;
  traceparent: string | null;
}

/** What an assignment tells of a suspension; all null of other messages, and of a task that was never suspended. */
interface ResumeColumns {
  checkpoint: string | null;
  checkpoint_key: string | null;
  answer: string | null;
  answer_key: string | null;
  default_answer: string | null;
  default_key: string | null;
  question_state: QuestionState | null;
  asked_version: number | null;
  answered_by: string | null;
}

/** The message as it is stored. */
export function readMessage(row: ReadableMessageRow): StoredMessage {
  const payload = JSON.parse(row.payload) as JsonValue;
  const { sender, receiver, status, description, parameters, key_version, traceparent } = row;
  const parts = { sender, receiver, status, keyVersion: key_version, traceparent };
  if (description === null || parameters === null) return readColumns(row, { ...parts, payload });
  const joined = joinTask(payload, { description, parameters, key_version });
  if (!tellsOfResume(row.payload)) return readColumns(row, { ...parts, payload: joined });
  return readColumns(row, { ...parts, ...joinResume(joined, valuesOf(row), questionOf(row)) });
}

function valuesOf(row: ResumeColumns): TaskValueRow[] {
  const values: TaskValueRow[] = [];
  const add = (name: TaskValueName, value: string | null, keyVersion: string | null): void => {
    if (value !== null) values.push({ name, value, key_version: keyVersion });
  };
  add("checkpoint", row.checkpoint, row.checkpoint_key);
  add("answer", row.answer, row.answer_key);
  add("default_answer", row.default_answer, row.default_key);
  return values;
}

function questionOf(row: ResumeColumns): StoredQuestion | undefined {
  const { question_state: state, asked_version, answered_by } = row;
  if (state === null || asked_version === null) return undefined;
  const times = { asked_at: null, expires_at: null, answered_at: null, asked_by: null, attempt: 1 };
  return buildQuestion({ ...times, state, asked_version, answered_by }, [], valuesOf(row));
}
