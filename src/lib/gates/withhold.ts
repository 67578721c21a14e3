/** What a reader without contents sees: who, what kind, when and in which state, but not what was said. */

/**
 * What stands in place of a content, by the name of its field: the emptiest value that the field's schema allows, `undefined`
 * (left out) where it may be absent. Names are the same in every reply: a payload is called payload wherever it stands.
 */
const IN_PLACE: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["payload", null],
  ["parameters", null],
  ["description", ""],
  ["result", undefined],
  ["error", undefined],
  ["note", undefined],
  ["reason", undefined],
  ["detail", undefined],
  ["metadata", undefined],
  // Of questions and suspensions.
  ["text", ""],
  ["schema", undefined],
  ["options", undefined],
  ["defaultAnswer", undefined],
  ["answer", undefined],
  ["checkpoint", undefined],
]);

/** True for a field that a reader without contents is not shown. */
export function isWithheld(name: string): boolean {
  return IN_PLACE.has(name);
}

/**
 * The reply without contents. Values are not looked into, so nothing inside a payload can hide from this.
 *
 * @example
 * withhold({ messageId: "m-1", payload: { secret: 1 }, reason: "no" }); // { messageId: "m-1", payload: null }
 */
export function withhold(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(withhold);
  if (typeof reply !== "object" || reply === null) return reply;
  const shown: [string, unknown][] = [];
  for (const [name, value] of Object.entries(reply)) {
    if (!IN_PLACE.has(name)) shown.push([name, withhold(value)]);
    else if (IN_PLACE.get(name) !== undefined) shown.push([name, IN_PLACE.get(name)]);
  }
  return Object.fromEntries(shown);
}
