/**
 * The order in which a verb looks for reasons to refuse: the first that holds is the answer. Both engines obey: the contract
 * suite makes calls that deserve several at once (test/contract/refusal-orders.ts), and a test finds the order in the
 * procedures. A caller learns of others' rows only after its own right to ask; a repeat is known before what may have
 * changed since.
 */

/** Of a message; for a batch of messages, of each. */
export const SEND_REFUSALS = [
  "SENDER_UNKNOWN",
  "SENDER_LEFT",
  // The key before the id: it names the caller's intent.
  "KEY_MISMATCH",
  "ID_TAKEN",
  "ID_MISMATCH",
  // A repeat gets the first result even when the receiver has gone since.
  "RECEIVER_UNKNOWN",
  "RECEIVER_LEFT",
  "MAILBOX_FULL",
  "SHARE_USED",
] as const;
export type SendRefusal = (typeof SEND_REFUSALS)[number];

/** Of a new task. AGENT_NOT_FOUND is the supervisor first, and the agent that the task names later. */
export const ASSIGN_REFUSALS = [
  "AGENT_NOT_FOUND",
  "AGENT_DEREGISTERED",
  "FORBIDDEN",
  "ID_TAKEN",
  "IDEMPOTENCY_MISMATCH",
  "AGENT_NOT_FOUND",
  "DEPENDENCY_INVALID",
] as const;

/** Of what an agent does with an attempt: start, progress, complete, fail. */
export const ATTEMPT_REFUSALS = ["AGENT_NOT_FOUND", "AGENT_DEREGISTERED", "TASK_NOT_FOUND", "LEASE_LOST"] as const;

/** Of a registration by an enrolment key that is in force; a key that is not is UNAUTHENTICATED before. */
export const ENROLMENT_REFUSALS = ["UNAUTHENTICATED", "ROLE_NOT_GIVEN", "PREFIX_NOT_GIVEN", "ID_TAKEN"] as const;
