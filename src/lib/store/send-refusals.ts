import { AgentCommunicationError } from "../errors.ts";

/** Why a send is refused, beside what refusals.ts says of its agents. */

/** The id belongs to a message of another sender; nothing else is told of it. */
export function idTaken(messageId: string): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `The id ${messageId} is in use; choose another.`);
}

/** The same id or key came with another body before. */
export function mismatch(what: string): AgentCommunicationError {
  const detail = `A message with ${what} was already sent with a different body.`;
  return new AgentCommunicationError("IDEMPOTENCY_MISMATCH", detail);
}

/** What `mismatch` calls an Idempotency-Key: it is kept as a hash only. */
export const ITS_KEY = "its Idempotency-Key";

/** The receiver has too many queued and leased messages. */
export function mailboxFull(receiver: string, depth: number): AgentCommunicationError {
  const detail = `The mailbox of ${receiver} holds ${depth} messages, its limit.`;
  return new AgentCommunicationError("MAILBOX_FULL", detail, { retryAfterSeconds: 5 });
}
