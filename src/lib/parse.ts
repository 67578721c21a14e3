import type { z } from "zod";
import { AgentCommunicationError, type FieldError } from "./errors.ts";

/** At most this many places are named in one refusal; the rest would only make the answer long. */
const MAX_REPORTED = 20;

interface Issue {
  path: readonly PropertyKey[];
  message: string;
  params?: Record<string, unknown> | undefined;
}

function isTooLarge(issue: Issue): boolean {
  return issue.params?.tooLarge === true;
}

function fieldErrors(issues: readonly Issue[]): FieldError[] {
  return issues
    .slice(0, MAX_REPORTED)
    .map((issue) => ({ path: issue.path.map(String).join(".").slice(0, 256), message: issue.message.slice(0, 512) }));
}

/**
 * Parses `value`, or refuses it with every invalid place named: 413 when all that is wrong is size, 400 otherwise.
 *
 * @throws AgentCommunicationError INVALID_REQUEST or PAYLOAD_TOO_LARGE
 * @example
 * const message = parse(sendMessageSchema, body);
 */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what = "request"): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues as readonly Issue[];
  const errors = fieldErrors(issues);
  const summary = errors.map((error) => (error.path === "" ? error.message : `${error.path}: ${error.message}`));
  const tooLarge = issues.every(isTooLarge);
  throw new AgentCommunicationError(
    tooLarge ? "PAYLOAD_TOO_LARGE" : "INVALID_REQUEST",
    `The ${what} is ${tooLarge ? "too large" : "invalid"}: ${summary.slice(0, 3).join("; ")}`,
    { errors },
  );
}
