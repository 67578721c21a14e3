import { type ErrorCode, isAgentCommunicationError } from "../lib/model/errors.ts";

/** What a refusal means for the attempt that a worker holds. */

function has(error: unknown, codes: readonly ErrorCode[]): boolean {
  return codes.some((code) => isAgentCommunicationError(error, code));
}

/** The attempt, or the message, is not or no longer this agent's. */
export function isLost(error: unknown): boolean {
  return has(error, [
    "LEASE_LOST",
    "TASK_ENDED",
    "TASK_NOT_FOUND",
    "MESSAGE_NOT_FOUND",
    "AGENT_DEREGISTERED",
    "AGENT_NOT_FOUND",
  ]);
}

/** What was said cannot be accepted, however often it is said. */
export function isRefused(error: unknown): boolean {
  return has(error, [
    "INVALID_REQUEST",
    "PAYLOAD_TOO_LARGE",
    "SCHEMA_MISMATCH",
    "UNSUPPORTED_MEDIA_TYPE",
    "CHANNEL_FORBIDDEN",
    "SUSPENSION_LIMIT",
    "USAGE_LIMIT",
  ]);
}
