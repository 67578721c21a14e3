import type { Caller } from "../gates/caller.ts";
import { AgentCommunicationError, type ErrorCode, isAgentCommunicationError } from "../model/errors.ts";

/** Calls that only the holder of a lease or an assignment may make. */

/** What a verified caller is told in the same words, so that it cannot find out which ids are there. */
const SAME: ReadonlySet<string> = new Set<ErrorCode>(["LEASE_LOST", "MESSAGE_NOT_FOUND", "TASK_NOT_FOUND"]);

/** Whether the caller is none whose business it is what exists: admins may read all there is anyway. */
export function isKeptFrom(caller: Caller): boolean {
  return caller.kind === "agent" && caller.role !== "admin";
}

/**
 * Makes such a call. To whom it is not shown what exists, what is not there looks like what somebody else holds.
 *
 * @throws what `work` throws, with LEASE_LOST in place of MESSAGE_NOT_FOUND and TASK_NOT_FOUND
 * @example
 * await asHolder(caller, () => services.messages.complete(messageId, body));
 */
export async function asHolder<Result>(caller: Caller, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isKeptFrom(caller) || !isAgentCommunicationError(error) || !SAME.has(error.code)) throw error;
    const detail = "The caller does not hold this attempt: another agent holds it, it has ended, or it never existed.";
    throw new AgentCommunicationError("LEASE_LOST", detail);
  }
}
