import type { HeartbeatReply } from "../lib/model/agent.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import type { LeasedMessage } from "../lib/model/message.ts";

/**
 * The replies that a loop lives on, looked at before they are used: a proxy that answers 200 with JSON of its own, such as
 * `{}`, must read as a failure, and must not become a heartbeat every millisecond.
 */

/** A wrong interval must not become a loop without a pause. */
const SHORTEST_INTERVAL_SECONDS = 0.1;
/** Nor one without an end. */
const LONGEST_INTERVAL_SECONDS = 86_400;

function unexpected(what: string): AgentCommunicationError {
  return new AgentCommunicationError("INTERNAL", `The answer is not from a switchboard: ${what}.`);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** @throws AgentCommunicationError INTERNAL when it is not one; the interval is kept between 0.1 s and a day */
export function checkedHeartbeat(reply: HeartbeatReply): HeartbeatReply {
  const { tasks, heartbeatIntervalSeconds }: Partial<HeartbeatReply> = isObject(reply) ? reply : {};
  if (!Array.isArray(tasks) || !tasks.every(isObject)) throw unexpected("a heartbeat without its tasks");
  if (typeof heartbeatIntervalSeconds !== "number" || Number.isNaN(heartbeatIntervalSeconds)) {
    throw unexpected("a heartbeat without its interval");
  }
  const seconds = Math.min(Math.max(heartbeatIntervalSeconds, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS);
  return { ...reply, heartbeatIntervalSeconds: seconds };
}

/** @throws AgentCommunicationError INTERNAL when the reply to a receive is not one */
export function checkedMessages(reply: { messages: LeasedMessage[] }): LeasedMessage[] {
  const { messages }: Partial<typeof reply> = isObject(reply) ? reply : {};
  if (!Array.isArray(messages) || !messages.every(isObject)) throw unexpected("a receive without messages");
  return messages;
}
