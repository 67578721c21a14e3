import { type AgentRole, SYSTEM_SENDER } from "../model/agent.ts";
import type { CredentialKind } from "../model/credential-kind.ts";
import type { JsonValue } from "../model/json.ts";
import type { MessageStatus } from "../model/message.ts";
import { channelOf, HEAD_START_MILLISECONDS, PRIORITIES } from "../model/values.ts";
import { shownDependency } from "./dependency-results.ts";
import { iso } from "./instants.ts";
import type { ResumeKeys, StoredDependency, StoredLeasedMessage, StoredMessage, StoredQuestion } from "./store.ts";
import { sealedOf, type TaskValueRow } from "./task-values.ts";

/** How a stored message reads to callers: the same whichever engine keeps the row. */

/** The columns of a message that its reader sees as they are stored. */
export interface MessageColumns {
  message_id: string;
  type: string;
  priority: number;
  attempt: number;
  attempt_limit: number;
  accepted_at: number;
  available_at: number;
  expires_at: number | null;
  lease_expires_at: number | null;
  ended_at: number | null;
  reason: string | null;
  correlation_id: string | null;
  reply_to: string | null;
  ordering_key: string | null;
  /** NULL for what the switchboard wrote itself, and for what was sent before it was kept. */
  sender_role: AgentRole | null;
  sender_credential: CredentialKind | null;
  channel: string | null;
  post_id: string | null;
  holder: string | null;
}

/** What its reader sees and the row does not hold as it is. */
export interface MessageParts {
  /** null: written by the switchboard itself. */
  sender: string | null;
  receiver: string;
  /** A queued message past its time to live reads as expired before the store has recorded it. */
  status: MessageStatus;
  payload: JsonValue;
  /** Of what is encrypted in the payload. */
  keyVersion: string | null;
  /** Of what an assignment tells of a suspension. */
  resumeKeys?: ResumeKeys | undefined;
  /** Of the results of dependencies. */
  dependencyKeys?: ReadonlyMap<string, string> | undefined;
  /** Of an assignment that of its task. */
  traceparent: string | null;
}

/** The message as it is stored. */
export function readColumns(row: MessageColumns, parts: MessageParts): StoredMessage {
  const message: StoredMessage = {
    messageId: row.message_id,
    sender: parts.sender ?? SYSTEM_SENDER,
    receiver: parts.receiver,
    type: row.type,
    priority: PRIORITIES[row.priority] ?? "normal",
    payload: parts.payload,
    status: parts.status,
    attempt: row.attempt,
    maxAttempts: row.attempt_limit,
    acceptedAt: iso(row.accepted_at),
    availableAt: iso(row.available_at),
  };
  const verified = parts.sender === null ? SYSTEM_SENDER : undefined;
  const role = verified ?? row.sender_role;
  const credential = verified ?? row.sender_credential;
  if (role !== null) message.senderRole = role;
  if (credential !== null) message.senderCredential = credential;
  const channel = row.channel ?? channelOf(parts.receiver);
  if (channel !== undefined) message.channel = channel;
  if (row.post_id !== null) message.postId = row.post_id;
  if (row.holder !== null) message.holder = row.holder;
  if (row.correlation_id !== null) message.correlationId = row.correlation_id;
  if (row.reply_to !== null) message.replyTo = row.reply_to;
  if (row.ordering_key !== null) message.orderingKey = row.ordering_key;
  if (row.expires_at !== null) message.expiresAt = iso(row.expires_at);
  if (row.lease_expires_at !== null) message.leaseExpiresAt = iso(row.lease_expires_at);
  if (row.ended_at !== null) message.endedAt = iso(row.ended_at);
  if (row.reason !== null) message.reason = row.reason;
  if (parts.keyVersion !== null) message.keyVersion = parts.keyVersion;
  if (parts.resumeKeys !== undefined) message.resumeKeys = parts.resumeKeys;
  if (parts.dependencyKeys !== undefined) message.dependencyKeys = parts.dependencyKeys;
  if (parts.traceparent !== null) message.traceparent = parts.traceparent;
  return message;
}

/** The same message with the end of its lease, as a receive hands it out. */
export function asLeased(message: StoredMessage, leaseExpiresAt: number): StoredLeasedMessage {
  return { ...message, leaseExpiresAt: iso(leaseExpiresAt) };
}

/** The part of a task that is joined to its assignment message when that is read, instead of being stored twice. */
export interface TaskPart {
  description: string;
  /** JSON text. */
  parameters: string;
  /** Of the parameters. */
  key_version: string | null;
}

/** The payload of an assignment message: what is stored of it, and its task unless that is in the archive. */
export function joinTask(payload: JsonValue, task: TaskPart): { [key: string]: JsonValue } {
  const stored = payload as { [key: string]: JsonValue };
  const { description } = task;
  const joined = { ...stored, description, parameters: JSON.parse(task.parameters) as JsonValue };
  return task.key_version === null ? joined : { ...joined, sensitive: true };
}

/** Whether the stored payload of an assignment is that of a task with dependencies: it then has `"dependencies":[]`. */
export function tellsOfDependencies(payload: string): boolean {
  return payload.includes('"dependencies":[');
}

/** The payload with the dependencies, and with the children in `resume`; without them, where they are not to be told. */
export function joinDependencies(
  payload: { [key: string]: JsonValue },
  dependencies: readonly StoredDependency[] | undefined,
): { payload: { [key: string]: JsonValue }; dependencyKeys?: ReadonlyMap<string, string> } {
  const { dependencies: _, ...rest } = payload;
  if (dependencies === undefined) return { payload: rest };
  const told = (child: boolean) => dependencies.filter((one) => (one.child === true) === child).map(shownDependency);
  const [others, children] = [told(false), told(true)];
  const more: { [key: string]: JsonValue } = others.length === 0 ? {} : { dependencies: others };
  if (children.length > 0) more.resume = { ...(rest.resume as { [key: string]: JsonValue }), children };
  const joined = { payload: { ...rest, ...more } };
  const keys = new Map<string, string>();
  for (const { taskId, keyVersion } of dependencies) if (keyVersion !== undefined) keys.set(taskId, keyVersion);
  return keys.size === 0 ? joined : { ...joined, dependencyKeys: keys };
}

/** The payload of a message without a task: of an assignment whose task is in the archive, what was stored of it. */
export function unjoinedPayload(type: string, text: string): JsonValue {
  const payload = JSON.parse(text) as JsonValue;
  if (type !== "task_assignment" || !tellsOfDependencies(text)) return payload;
  return joinDependencies(payload as { [key: string]: JsonValue }, undefined).payload;
}

/** Whether the stored payload of an assignment tells of a suspension: it then ends with `"resume":{"reason":…}}`. */
export function tellsOfResume(payload: string): boolean {
  return payload.includes('"resume":{');
}

/** The payload of the assignment of a task that was suspended, with the checkpoint and the answer that woke it. */
export function joinResume(
  payload: { [key: string]: JsonValue },
  values: readonly TaskValueRow[],
  question: StoredQuestion | undefined,
): { payload: JsonValue; resumeKeys?: ResumeKeys } {
  const stored = payload.resume as { [key: string]: JsonValue };
  const resume: { [key: string]: JsonValue } = { ...stored };
  const keys: ResumeKeys = {};
  const checkpoint = sealedOf(values, "checkpoint");
  if (checkpoint !== undefined) {
    resume.checkpoint = checkpoint.value;
    keys.checkpoint = checkpoint.keyVersion;
  }
  if (stored.reason === "answered" && question !== undefined) {
    keys.byDefault = question.state === "timed_out";
    const answer = keys.byDefault ? question.defaultAnswer : question.answer;
    if (answer !== undefined) {
      resume.answer = answer.value;
      keys.answer = answer.keyVersion;
    }
    if (question.questionId !== undefined) resume.questionId = question.questionId;
    if (question.answeredBy !== undefined) resume.answeredBy = question.answeredBy;
  }
  const encrypted = keys.checkpoint !== undefined || keys.answer !== undefined;
  const joined = { payload: { ...payload, resume } };
  return encrypted ? { ...joined, resumeKeys: keys } : joined;
}

/** Where a message stands among those due: lower goes first, then the lower arrival. */
export function rankOf(row: { available_at: number; priority: number }): number {
  return row.available_at - HEAD_START_MILLISECONDS[PRIORITIES[row.priority] ?? "low"];
}
