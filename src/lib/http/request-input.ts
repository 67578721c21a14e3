import { isUtf8 } from "node:buffer";
import { z } from "zod";
import { AgentCommunicationError, type FieldError } from "../model/errors.ts";
import { countMembers, duplicateNames } from "../model/json-names.ts";
import { changedNumbers } from "../model/json-numbers.ts";
import { REQUEST_MAX_BYTES } from "../model/limits.ts";
import { parseOnce } from "../model/parse.ts";
import { shapeOf } from "./json-shape.ts";
import type { Route } from "./route.ts";

/** What a host hands to the pipeline: a request as it came, nothing checked. */
export interface RawRequest {
  /** Path parameters, URL-decoded, with their case kept. */
  params: Readonly<Record<string, string>>;
  /** The query as it was written, without the question mark. */
  query: string;
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined;
  /** Length of the body; 0: there is none. */
  bytes: number;
  /** Undefined or empty: no body. Put together when it is asked for, once. */
  readonly body: Uint8Array | undefined;
  /** Aborts when the caller has gone or the host stops. Made when first asked for. */
  signal(): AbortSignal;
}

const nothing = z.strictObject({});

/** A JSON media type; a charset other than UTF-8 is not JSON's. */
const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** The refusal of a body over `limit` bytes. */
export function bodyTooLarge(limit: number): AgentCommunicationError {
  const message = `must be at most ${limit} bytes`;
  return new AgentCommunicationError("PAYLOAD_TOO_LARGE", `The body ${message}.`, { errors: [{ path: "", message }] });
}

/**
 * The body as JSON, `{}` when there is none. A long one is read in steps, between which others can be served: 200,000 numbers of 16 digits
 * would hold them up for 110 ms, and no step takes half of it.
 *
 * @throws PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST
 */
export function* readJson(limit: number, raw: Pick<RawRequest, "body" | "header">): Generator<undefined, unknown> {
  const bytes = raw.body;
  if (bytes === undefined || bytes.length === 0) return {};
  if (bytes.length > limit) throw bodyTooLarge(limit);
  const encoding = raw.header("content-encoding");
  if (!JSON_TYPE.test(raw.header("content-type") ?? "") || (encoding !== undefined && encoding !== "identity")) {
    const detail = "Send the body as Content-Type: application/json in UTF-8, without a Content-Encoding.";
    throw new AgentCommunicationError("UNSUPPORTED_MEDIA_TYPE", detail);
  }
  const { problem, names } = shapeOf(bytes);
  if (problem !== undefined) refuseBody([{ path: "", message: problem }]);
  yield;
  if (!isUtf8(bytes)) throw new AgentCommunicationError("INVALID_REQUEST", "The body is not valid UTF-8.");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the body.
    throw new AgentCommunicationError("INVALID_REQUEST", "The body is not valid JSON.");
  }
  if (names !== countMembers(value)) refuseBody(duplicateNames(text));
  yield;
  refuseBody(changedNumbers(text));
  return value;
}

/** @throws INVALID_REQUEST with the errors, if there are any */
function refuseBody(errors: FieldError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  const place = first.path === "" ? "it" : first.path;
  throw new AgentCommunicationError("INVALID_REQUEST", `The body is invalid: ${place} ${first.message}`, { errors });
}

/** The query as a record. @throws INVALID_REQUEST when a parameter is given twice */
export function readQuery(query: string): Record<string, string> {
  const record: Record<string, string> = {};
  if (query === "") return record;
  for (const [name, value] of new URLSearchParams(query)) {
    if (Object.hasOwn(record, name)) {
      const path = name.slice(0, 128);
      throw new AgentCommunicationError("INVALID_REQUEST", `The query names ${path} more than once.`, {
        errors: [{ path, message: "is given more than once" }],
      });
    }
    // defineProperty keeps a parameter named __proto__ a plain, unknown one.
    Object.defineProperty(record, name, { value, enumerable: true, configurable: true });
  }
  return record;
}

/** The parts of a request, as a caller has given them: parameters of the path and the query are texts. */
export interface GivenParts {
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  body: unknown;
}

/** The parts of a request, parsed. */
export interface ParsedInput {
  params: unknown;
  query: unknown;
  body: unknown;
}

/**
 * Parsed input of `route`, in steps: a caller of `next` may let others go on between them.
 *
 * @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
 */
export function* parseInput(route: Route, raw: RawRequest): Generator<undefined, ParsedInput> {
  const params = parseParams(route, raw.params);
  const query = route.query === undefined && raw.query === "" ? undefined : parseQuery(route, readQuery(raw.query));
  if (route.method === "GET") return { params, query, body: undefined };
  const json = yield* readJson(route.maxBodyBytes ?? REQUEST_MAX_BYTES, raw);
  yield;
  return { params, query, body: parseOnce(route.body ?? nothing, json, "body") };
}

/**
 * Parsed input of `route` from parts that have been read already.
 *
 * @throws INVALID_REQUEST, PAYLOAD_TOO_LARGE
 */
export function parseParts(route: Route, given: GivenParts): ParsedInput {
  const params = parseParams(route, given.params);
  const query = route.query === undefined ? undefined : parseQuery(route, given.query);
  const body = route.method === "GET" ? undefined : parseOnce(route.body ?? nothing, given.body ?? {}, "body");
  return { params, query, body };
}

function parseParams(route: Route, params: unknown): unknown {
  return route.params === undefined ? undefined : parseOnce(route.params, params, "path");
}

function parseQuery(route: Route, query: unknown): unknown {
  return parseOnce(route.query ?? nothing, query, "query");
}
