import { IdempotencyMismatch } from "../base/idempotency.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { NewMessage } from "./store.ts";

/** Why a send is refused, beside what refusals.ts says of its agents. */

/** The id belongs to a message of another sender; nothing else is told of it. */
export function idTaken(messageId: string): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `The id ${messageId} is in use; choose another.`);
}

/**
 * The same id or key came with another body before.
 *
 * @param by which of the two; a key is kept as a hash only, so it cannot be named
 * @param storedHash of the earlier body; undefined when that is in the same batch
 */
export function mismatch(message: NewMessage, by: "id" | "key", storedHash?: string | null): AgentCommunicationError {
  const what = by === "key" ? "its Idempotency-Key" : message.messageId;
  const detail = `A message with ${what} was already sent with a different body.`;
  return new IdempotencyMismatch(detail, message.messageId, storedHash ?? undefined);
}

/** The mailbox is more than half full, and the sender has its share of it. */
export function mailboxShareUsed(receiver: string, share: number): AgentCommunicationError {
  const detail = `The mailbox of ${receiver} is more than half full, and this sender has more than its share of ${share} messages in it.`;
  return new AgentCommunicationError("MAILBOX_FULL", detail, { retryAfterSeconds: 5 });
}

/** The receiver has too many queued and leased messages. */
export function mailboxFull(receiver: string, depth: number): AgentCommunicationError {
  const detail = `The mailbox of ${receiver} is full: it has ${depth} messages.`;
  return new AgentCommunicationError("MAILBOX_FULL", detail, { retryAfterSeconds: 5 });
}
