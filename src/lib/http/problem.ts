import { AgentCommunicationError, ERRORS, type ErrorCode, isAgentCommunicationError } from "../model/errors.ts";

/** Errors as RFC 9457 problem documents, the same on both hosts. */

export const PROBLEM_CONTENT_TYPE = "application/problem+json; charset=utf-8";

/** What the pipeline hands back to a host: everything is decided, the host only writes it. */
export interface RawReply {
  status: number;
  headers: Readonly<Record<string, string>>;
  text: string;
  /** Of an error. */
  code?: ErrorCode;
}

/**
 * On every reply: it is an answer for one caller, of the type that it says, and nothing that a browser should show, frame,
 * hand to a page of another origin or name to the next site. No reply allows another origin anything (CORS).
 */
export const COMMON_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
} as const;

/** On every reply over TLS, once the host ends it: RFC 6797, a year. */
export const TLS_HEADERS = { "strict-transport-security": "max-age=31536000" } as const;

/** RFC 6750, section 3: without a token the scheme alone, with one that did not do also why. */
function challengeOf(error: AgentCommunicationError): string {
  return error.challenge === undefined ? "Bearer" : `Bearer error="${error.challenge}"`;
}

/** Seconds that Retry-After names when the error itself does not. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** What a caller may know of `error`: ours as it is, anything else as INTERNAL without a word of what went wrong. */
export function asPublicError(error: unknown): AgentCommunicationError {
  if (isAgentCommunicationError(error)) return error;
  return new AgentCommunicationError("INTERNAL", "The request failed because of an internal error, which was logged.", {
    cause: error,
  });
}

/** The reply that says `error`. */
export function problemReply(error: AgentCommunicationError): RawReply {
  const { status, title } = ERRORS[error.code];
  const headers: Record<string, string> = { ...COMMON_HEADERS, "content-type": PROBLEM_CONTENT_TYPE };
  if (status === 429 || status === 503) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(error.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS)));
  }
  if (status === 401) headers["www-authenticate"] = challengeOf(error);
  if (error.allow !== undefined) headers.allow = error.allow.join(", ");
  const type = `urn:agent-communication:problem:${error.code}`;
  const problem = { type, title, status, code: error.code, detail: error.message, errors: error.errors };
  return { status, headers, text: JSON.stringify(problem), code: error.code };
}
