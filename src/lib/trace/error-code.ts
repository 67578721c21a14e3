import { ERRORS, isAgentCommunicationError } from "../model/errors.ts";

/** What telemetry may say of an error: its code where it is one of ours, otherwise its class; never its message. */
export function codeOf(error: unknown): string {
  if (isAgentCommunicationError(error)) return error.code;
  return error instanceof Error ? error.name : typeof error;
}

/** Whether something went wrong here; a refusal (4xx) is an answer. */
export function isFault(error: unknown): boolean {
  return !isAgentCommunicationError(error) || ERRORS[error.code].status >= 500;
}
