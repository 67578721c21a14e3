import { AgentCommunicationError, type FieldError } from "../lib/model/errors.ts";
import type { JsonValue } from "../lib/model/json.ts";
import { lossesOf } from "../lib/model/json-losses.ts";
import { BATCH_REQUEST_MAX_BYTES, REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { errorText } from "./handler-errors.ts";
import type { SuspendOptions } from "./task-suspension.ts";

function toText(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    const detail = `it cannot be written as JSON: ${errorText(cause)}`;
    throw new AgentCommunicationError("INVALID_REQUEST", detail, { cause });
  }
  // Of a function or a symbol.
  if (text === undefined) throw new AgentCommunicationError("INVALID_REQUEST", "it cannot be written as JSON");
  return text;
}

/** NaN and infinities would become null in the text, a Map `{}`, and a failed computation would read as a result. */
function refuseLosses(returned: unknown): void {
  let first: FieldError | undefined;
  try {
    [first] = lossesOf(returned);
  } catch {
    // A getter or a proxy that throws when it is looked at again: what could be written was written.
    return;
  }
  if (first === undefined) return;
  const place = first.path === "" ? "it" : first.path;
  throw new AgentCommunicationError("INVALID_REQUEST", `${place} ${first.message}`);
}

/** @param maxBytes more would not be read by the service to its end, which would cut the connection instead of saying so */
function checkedText(value: unknown, maxBytes: number): string {
  const text = toText(value);
  refuseLosses(value);
  if (text.length > maxBytes || new TextEncoder().encode(text).length > maxBytes) {
    throw new AgentCommunicationError("PAYLOAD_TOO_LARGE", `it has more than ${maxBytes} bytes`);
  }
  return text;
}

/**
 * What a handler returned, as JSON: a copy, so that what it changes later does not change a result that is still being
 * delivered. Undefined stays undefined.
 *
 * @throws AgentCommunicationError INVALID_REQUEST for what is no JSON: a cycle, a BigInt, a function, a `toJSON` that throws, a number
 *   that JSON would change, a Map, a Set, a Promise or an Error (JSON writes `{}`)
 * @throws AgentCommunicationError PAYLOAD_TOO_LARGE for what is larger than any request
 */
export function jsonResult(returned: unknown): JsonValue | undefined {
  return returned === undefined ? undefined : JSON.parse(checkedText(returned, REQUEST_MAX_BYTES));
}

/** A suspension as JSON: a copy, as of a result. @throws as jsonResult */
export function jsonSuspension(suspension: SuspendOptions): SuspendOptions {
  return JSON.parse(checkedText(suspension, BATCH_REQUEST_MAX_BYTES));
}
