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

/** Whether the route has no id of its own by which a repeat is known: a registration with an enrolment key brings a token. */
export function needsIdempotencyKey(key: string): boolean {
  return key === "POST /agents";
}
