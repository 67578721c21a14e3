import type { JsonValue } from "../../model/json.ts";
import type { MessageStatus } from "../../model/message.ts";
import type { QuestionState } from "../../model/question.ts";
import { taskAssignmentPayloadSchema } from "../../model/task.ts";
import {
  joinDependencies,
  joinResume,
  joinTask,
  type MessageColumns,
  type MessageParts,
  readColumns,
  tellsOfDependencies,
  tellsOfResume,
  unjoinedPayload,
} from "../message-reading.ts";
import type { StoredDependency, StoredMessage, StoredQuestion } from "../store.ts";
import { buildQuestion, type TaskValueName, type TaskValueRow } from "../task-values.ts";
import type { Connection } from "./connection.ts";
import { readDependencies } from "./dependency-results.ts";

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

/**
 * The message as it is stored.
 *
 * @param dependencies what the task of an assignment depends on; left out: not to be told
 */
export function readMessage(row: ReadableMessageRow, dependencies?: readonly StoredDependency[]): StoredMessage {
  const { sender, receiver, status, description, parameters, key_version, traceparent } = row;
  const parts = { sender, receiver, status, keyVersion: key_version, traceparent };
  if (description === null || parameters === null) {
    return readColumns(row, { ...parts, payload: unjoinedPayload(row.type, row.payload) });
  }
  const payload = JSON.parse(row.payload) as JsonValue;
  const task = joinTask(payload, { description, parameters, key_version });
  if (!tellsOfDependencies(row.payload)) return withResume(row, parts, task);
  const { payload: joined, dependencyKeys } = joinDependencies(task, dependencies);
  return withResume(row, { ...parts, dependencyKeys }, joined);
}

function withResume(
  row: ReadableMessageRow,
  parts: Omit<MessageParts, "payload">,
  joined: { [key: string]: JsonValue },
): StoredMessage {
  if (!tellsOfResume(row.payload)) return readColumns(row, { ...parts, payload: joined });
  return readColumns(row, { ...parts, ...joinResume(joined, valuesOf(row), questionOf(row)) });
}

/** The task that a message assigns, where that depends on others. */
export function dependentOf({ type, payload, description }: ReadableMessageRow): string | undefined {
  if (type !== "task_assignment" || description === null || !tellsOfDependencies(payload)) return undefined;
  return assignedTaskSchema.parse(JSON.parse(payload)).taskId;
}

const assignedTaskSchema = taskAssignmentPayloadSchema.pick({ taskId: true });

/** The message with all that its receiver is told. */
export async function readWhole(connection: Connection, row: ReadableMessageRow): Promise<StoredMessage> {
  const taskId = dependentOf(row);
  return readMessage(row, taskId === undefined ? undefined : await readDependencies(connection, taskId));
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
