import {
  AgentCommunicationError,
  ERRORS,
  type ErrorCode,
  type FieldError,
  type RequestIds,
} from "../lib/model/errors.ts";

/** Reads an answer that is not a success as one of our errors. */

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERRORS, value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What is no text is left out: String() throws for an object whose `toString` is no function, and JSON may say that. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldErrors(value: unknown): FieldError[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter(isMembers).map(({ path, message }) => ({ path: textOf(path), message: textOf(message) }));
}

/** The code that fits a status which came without a problem document: from a gateway, or a host that we do not write. */
function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 400:
      return "INVALID_REQUEST";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 405:
      return "METHOD_NOT_ALLOWED";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 415:
      return "UNSUPPORTED_MEDIA_TYPE";
    case 429:
      return "RATE_LIMITED";
    case 502:
    case 503:
    case 504:
      return "STORE_UNAVAILABLE";
    default:
      return "INTERNAL";
  }
}

/** What is read of an answer. */
interface Refusal {
  status: number;
  text: string;
  retryAfterSeconds: number | undefined;
}

/**
 * The error that an answer stands for. A code that this client does not know (a newer server) falls back to the one of
 * its status.
 *
 * @param what the route, named in the detail when the answer brings none
 */
export function problemToError(what: string, { status, text, retryAfterSeconds }: Refusal): AgentCommunicationError {
  const parsed = parseJson(text);
  const problem: Members = isMembers(parsed) ? parsed : {};
  const code = isErrorCode(problem.code) ? problem.code : codeOfStatus(status);
  const detail =
    typeof problem.detail === "string" ? problem.detail : `${what} answered ${status} without a problem document.`;
  const errors = fieldErrors(problem.errors);
  return new AgentCommunicationError(code, detail, {
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** The same error with the ids that its request went out with; `advice` goes behind its detail. */
export function withRequestIdsOf(
  error: AgentCommunicationError,
  ids: RequestIds | undefined,
  advice: string,
): AgentCommunicationError {
  if (ids === undefined || error.ids !== undefined) return error;
  const { code, message, errors, retryAfterSeconds, cause } = error;
  return new AgentCommunicationError(code, message + advice, {
    ids,
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause }),
  });
}
