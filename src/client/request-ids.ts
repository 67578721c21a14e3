import type { RequestIds } from "../lib/model/errors.ts";
import { type OperationKey, REPEATS } from "../lib/model/operations.ts";

/**
 * Ids are made before the first try. A send, an assignment or a receive whose answer was lost is then repeated with the
 * same id, and the server recognises it instead of doing it twice.
 */

function withId(value: unknown, field: string, newId: () => string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members: Readonly<Record<string, unknown>> = { ...value };
  return members[field] === undefined ? { ...members, [field]: newId() } : members;
}

function batchWithIds(value: unknown, newId: () => string): unknown {
  if (typeof value !== "object" || value === null || !("messages" in value) || !Array.isArray(value.messages)) {
    return value;
  }
  return { ...value, messages: value.messages.map((message: unknown) => withId(message, "messageId", newId)) };
}

/**
 * The body with the id that identifies a repeat of the operation, made here when the caller gave none.
 *
 * @param keyed true when the caller gave an Idempotency-Key: that identifies a send, a task or a workflow already, and excludes an id
 */
export function withRequestIds(key: OperationKey, body: unknown, keyed: boolean, newId: () => string): unknown {
  const repeat = REPEATS[key];
  switch (repeat) {
    case "messageId":
    case "taskId":
    case "workflowId":
      return keyed ? body : withId(body, repeat, newId);
    case "messageIds":
      return keyed ? body : batchWithIds(body, newId);
    case "claimId":
      return withId(body ?? {}, repeat, newId);
    default:
      return body;
  }
}

function textOf(members: object, field: string): string | undefined {
  const value: unknown = Reflect.get(members, field);
  return typeof value === "string" ? value : undefined;
}

/** The ids in a body that is about to be sent, as an error carries them; undefined when it has none. */
export function requestIdsOf(body: unknown, idempotencyKey: string | undefined): RequestIds | undefined {
  const members = typeof body === "object" && body !== null ? body : {};
  const ids: RequestIds = {};
  for (const field of ["messageId", "taskId", "workflowId", "claimId"] as const) {
    const id = textOf(members, field);
    if (id !== undefined) ids[field] = id;
  }
  if ("messages" in members && Array.isArray(members.messages)) {
    const messages: unknown[] = members.messages;
    ids.messageIds = messages.map(
      (message) => (typeof message === "object" && message && textOf(message, "messageId")) || "",
    );
  }
  if (idempotencyKey !== undefined) ids.idempotencyKey = idempotencyKey;
  return Object.keys(ids).length === 0 ? undefined : ids;
}

/** What an error's detail says about repeating the request; empty when there is nothing to say. */
export function adviceOn(ids: RequestIds | undefined): string {
  const [name, id] = Object.entries(ids ?? {}).find(([, value]) => typeof value === "string") ?? [];
  if (id !== undefined) return ` The call may have succeeded: repeat it with ${name} ${id}, and it is done only once.`;
  return ids?.messageIds === undefined
    ? ""
    : " The call may have succeeded: repeat it with the messageIds of this error, and it is done only once.";
}

/** Whether only the Idempotency-Key header identifies a repeat of the operation. */
export function needsIdempotencyKey(key: OperationKey): boolean {
  return REPEATS[key] === "idempotencyKey";
}
