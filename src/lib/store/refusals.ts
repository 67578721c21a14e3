import { AgentCommunicationError } from "../model/errors.ts";
import { channelOf } from "../model/values.ts";

/** Refusals that many verbs of both engines share. */

/** No channel, or none of the kind that the call is for, has this name. */
export function channelNotFound(name: string): AgentCommunicationError {
  return new AgentCommunicationError("CHANNEL_NOT_FOUND", `The channel ${name} does not exist, or is of another kind.`);
}

/** No agent has this id. A channel's mailbox is looked up like an agent's. */
export function agentNotFound(agentId: string): AgentCommunicationError {
  const channel = channelOf(agentId);
  if (channel !== undefined) return channelNotFound(channel);
  return new AgentCommunicationError("AGENT_NOT_FOUND", `No agent ${agentId} is registered.`);
}

/** The agent has deregistered, or silence of many days has deregistered it. The mailbox of a deleted channel is likewise. */
export function agentDeregistered(agentId: string): AgentCommunicationError {
  const channel = channelOf(agentId);
  if (channel !== undefined) return channelNotFound(channel);
  return new AgentCommunicationError("AGENT_DEREGISTERED", `Agent ${agentId} is deregistered; it must register again.`);
}

/** Why an agent may not do what only a registered agent may. */
export type AgentRefusalCode = "AGENT_NOT_FOUND" | "AGENT_DEREGISTERED";

/** The refusal of a code that a batch gave. */
export function agentRefusal(code: AgentRefusalCode, agentId: string): AgentCommunicationError {
  return code === "AGENT_NOT_FOUND" ? agentNotFound(agentId) : agentDeregistered(agentId);
}

/** No message has this id. */
export function messageNotFound(messageId: string): AgentCommunicationError {
  return new AgentCommunicationError("MESSAGE_NOT_FOUND", `There is no message ${messageId}.`);
}

/** Nothing has been sealed under that number. */
export function auditBlockNotFound(blockNo: number): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `The audit has no block ${blockNo}.`);
}

/** The store was closed in an orderly way: what comes too late may go to another process. */
export function storeClosed(): AgentCommunicationError {
  return new AgentCommunicationError("STORE_UNAVAILABLE", "The store is closed.", { retryAfterSeconds: 1 });
}
