import type { z } from "zod";
import { AgentCommunicationError, type FieldError } from "./errors.ts";

/** At most this many places are named in one refusal; the rest would only make the answer long. */
const MAX_REPORTED = 20;

interface Issue {
  path: readonly PropertyKey[];
  message: string;
  params?: Record<string, unknown> | undefined;
}

/** Values that came out of a schema, so that the domain does not parse again what the HTTP pipeline has parsed. */
const parsedBy = new WeakMap<object, z.ZodType>();

function isTooLarge(issue: Issue): boolean {
  return issue.params?.tooLarge === true;
}

function fieldErrors(issues: readonly Issue[]): FieldError[] {
  return issues
    .slice(0, MAX_REPORTED)
    .map((issue) => ({ path: issue.path.map(String).join(".").slice(0, 256), message: issue.message.slice(0, 512) }));
}

/**
 * Parses `value`, or refuses it with every invalid place named: 413 when all that is wrong is size, 400 otherwise. A
 * value that `parseOnce` got out of this very schema is returned as it is.
 *
 * @throws AgentCommunicationError INVALID_REQUEST or PAYLOAD_TOO_LARGE
 * @example
 * const message = parse(sendMessageSchema, body);
 */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what = "request"): z.output<Schema> {
  // The map says that this schema made the value, which is what the type says.
  if (typeof value === "object" && value !== null && parsedBy.get(value) === schema) return value as z.output<Schema>;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues: readonly Issue[] = parsed.error.issues;
  const errors = fieldErrors(issues);
  const summary = errors.map((error) => (error.path === "" ? error.message : `${error.path}: ${error.message}`));
  const tooLarge = issues.every(isTooLarge);
  throw new AgentCommunicationError(
    tooLarge ? "PAYLOAD_TOO_LARGE" : "INVALID_REQUEST",
    `The ${what} is ${tooLarge ? "too large" : "invalid"}: ${summary.slice(0, 3).join("; ")}`,
    { errors },
  );
}

/** As `parse`, and remembers that the result came out of `schema`: the next `parse` by it is free. */
export function parseOnce<Schema extends z.ZodType>(schema: Schema, value: unknown, what?: string): z.output<Schema> {
  const parsed = parse(schema, value, what);
  if (typeof parsed === "object" && parsed !== null) parsedBy.set(parsed, schema);
  return parsed;
}
