import type { RequestIds } from "../lib/errors.ts";

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
 * The body with the ids that the route lacks.
 *
 * @param keyed true when the caller gave an Idempotency-Key: that names a send or task already, and excludes an id
 */
export function withRequestIds(key: string, body: unknown, keyed: boolean, newId: () => string): unknown {
  switch (key) {
    case "POST /messages":
      return keyed ? body : withId(body, "messageId", newId);
    case "POST /messages/batch":
      return keyed ? body : batchWithIds(body, newId);
    case "POST /tasks":
      return keyed ? body : withId(body, "taskId", newId);
    case "POST /agents/{agentId}/messages/receive":
    case "POST /channels/{name}/messages/receive":
      return withId(body ?? {}, "claimId", newId);
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
  for (const field of ["messageId", "taskId", "claimId"] as const) {
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
  if (id !== undefined)
    return ` It may have been done all the same: repeat it with ${name} ${id}, and it is done once.`;
  return ids?.messageIds === undefined
    ? ""
    : " It may have been done all the same: repeat it with the messageIds of this error, and it is done once.";
}

/** Whether the route has no id of its own by which a repeat is known: a registration with an enrolment key brings a token. */
export function needsIdempotencyKey(key: string): boolean {
  return key === "POST /agents";
}
