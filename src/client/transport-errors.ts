import { AgentCommunicationError, isAgentCommunicationError } from "../lib/model/errors.ts";
import type { FetchAnswer } from "./fetch-types.ts";
import { errorText } from "./handler-errors.ts";

/** What can become of a request besides an answer. */

/** Codes of a connection that was never made, so that another try soon meets the same. Node's; a browser tells nothing. */
const REFUSED_CODES: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH"]);

function causeOf(error: unknown): unknown {
  try {
    if (error instanceof AggregateError && error.errors.length > 0) return error.errors[0];
    return error instanceof Error ? error.cause : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

/** True when nothing listens at the address, or there is no such address. Never throws, whatever value a fetch threw. */
export function isRefused(error: unknown): boolean {
  try {
    // fetch says "fetch failed"; beneath it is the error of the connection, or one for each address of the name.
    for (let depth = 0, at: unknown = error; depth < 4 && at !== undefined; depth++, at = causeOf(at)) {
      if (REFUSED_CODES.has(codeOf(at))) return true;
    }
  } catch {
    // It cannot even be asked.
  }
  return false;
}

/** fetch says "fetch failed" and keeps the reason (ECONNREFUSED …) in the cause. */
function reasonOf(error: unknown, depth = 0): string {
  const cause = causeOf(error);
  return cause === undefined || depth > 3 ? errorText(error) : reasonOf(cause, depth + 1);
}

/** Nothing answered. Its cause is what fetch threw. */
export function unreachable(key: string, url: string, lost: unknown): AgentCommunicationError {
  const detail = `No answer from ${new URL(url).origin} to ${key}: ${reasonOf(lost)}.`;
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { cause: lost });
}

/** The provider of the token failed in every try. */
export function tokenNotHad(key: string, failure: Error): AgentCommunicationError {
  const detail = `${key} was not sent, because the client could not get its token: ${errorText(failure)}.`;
  return new AgentCommunicationError("IDENTITY_UNAVAILABLE", detail, { cause: failure });
}

/** True for the error of a request that no switchboard answered, as opposed to one that a switchboard refused with 503. */
export function isUnreachable(error: unknown): boolean {
  return isAgentCommunicationError(error, "STORE_UNAVAILABLE") && error.cause !== undefined;
}

/** Only of the place that it points to: the rest may hold anything, secrets included. */
function targetOf(location: string | null, url: string): string {
  return location !== null && URL.canParse(location, url) ? ` to ${new URL(location, url).origin}` : "";
}

/** What is wrong with an answer that points elsewhere, or that came from elsewhere; undefined for any other. */
export function redirectOf({ status, type, redirected, headers }: FetchAnswer, url: string): Error | undefined {
  if (redirected === true) return new Error("it was redirected, and the redirect was followed");
  if (type === "opaqueredirect") return new Error("it was redirected");
  if (status < 300 || status > 399) return undefined;
  return new Error(`it was redirected${targetOf(headers.get("location"), url)} (${status})`);
}

/** A redirect is no answer of a switchboard, so it reads as unreachable. */
export function redirectError(key: string, url: string, cause: Error): AgentCommunicationError {
  const detail = `No answer from ${new URL(url).origin} to ${key}: ${cause.message}. Redirects are not followed: baseUrl must be the address of the service itself.`;
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { cause });
}

/** An answer longer than any of a switchboard reads as unreachable, too. */
export function tooLongError(key: string, url: string, cause: Error): AgentCommunicationError {
  const detail = `No answer of a switchboard from ${new URL(url).origin} to ${key}: ${cause.message}.`;
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { cause });
}
