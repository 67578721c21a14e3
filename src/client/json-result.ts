import { AgentCommunicationError, type FieldError } from "../lib/model/errors.ts";
import type { JsonValue } from "../lib/model/json.ts";
import { lossesOf } from "../lib/model/json-losses.ts";
import { REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { errorText } from "./handler-errors.ts";

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

/**
 * What a handler returned, as JSON: a copy, so that what it changes later does not change a result that is still being
 * delivered. Undefined stays undefined.
 *
 * @throws AgentCommunicationError INVALID_REQUEST for what is no JSON: a cycle, a BigInt, a function, a `toJSON` that throws, a number
 *   that JSON would change, a Map, a Set, a Promise or an Error (JSON writes `{}`)
 * @throws AgentCommunicationError PAYLOAD_TOO_LARGE for what is larger than any request: the service would not read it to its
 *   end, and cut the connection instead of saying so
 */
export function jsonResult(returned: unknown): JsonValue | undefined {
  if (returned === undefined) return undefined;
  const text = toText(returned);
  refuseLosses(returned);
  if (text.length > REQUEST_MAX_BYTES || new TextEncoder().encode(text).length > REQUEST_MAX_BYTES) {
    throw new AgentCommunicationError("PAYLOAD_TOO_LARGE", `it has more than ${REQUEST_MAX_BYTES} bytes`);
  }
  return JSON.parse(text);
}
