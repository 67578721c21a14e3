import { AgentCommunicationError } from "../model/errors.ts";

/** Why a message cannot be withdrawn. */

/** Its receiver has it, or has had it. */
export function noLongerQueued(messageId: string, status: string): AgentCommunicationError {
  const detail = `Message ${messageId} can no longer be withdrawn: it is ${status.replace("_", "-")}.`;
  return new AgentCommunicationError("LEASE_LOST", detail);
}

/** It ends with its task. Only an admin gets this refusal, because other roles may not see whose message it is. */
export function writtenBySwitchboard(messageId: string): AgentCommunicationError {
  const detail = `Message ${messageId} was written by the switchboard and ends only with its task.`;
  return new AgentCommunicationError("FORBIDDEN", detail);
}
