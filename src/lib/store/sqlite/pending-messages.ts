import { PENDING_COUNT_MAX } from "../../model/limits.ts";
import { PRIORITIES } from "../../model/values.ts";
import type { HeartbeatAnswer } from "../store.ts";
import type { Transaction } from "./transaction.ts";

/** What waits in a mailbox, as heartbeats and progress replies tell of it. */

/** One walk of a stream, up to the cap. ?1 receiver ?2 now */
function pendingSql(priority: number): string {
  return `(SELECT count(*) FROM (SELECT 1 FROM messages INDEXED BY messages_ready
    WHERE receiver_no = ?1 AND held = 0 AND priority = ${priority} AND status = 'queued' AND available_at <= ?2
      AND (expires_at IS NULL OR expires_at > ?2) LIMIT ${PENDING_COUNT_MAX}))`;
}

/** The keys with something due that has not joined and has nothing in front of it: one message of each comes with a claim. */
const PENDING_KEYS = `(SELECT count(DISTINCT j.ordering_key) FROM (SELECT ordering_key FROM messages INDEXED BY messages_joining
    WHERE receiver_no = ?1 AND joined = 0 AND available_at <= ?2 AND (expires_at IS NULL OR expires_at > ?2)
    LIMIT ${PENDING_COUNT_MAX}) j
  WHERE NOT EXISTS (SELECT 1 FROM messages k INDEXED BY messages_keys WHERE k.receiver_no = ?1 AND k.ordering_key = j.ordering_key
    AND k.joined = 1 AND k.status IN ('queued', 'leased')))`;

/** Whether one of them is urgent: one seek of the stream. ?1 receiver ?2 now */
const URGENT = `EXISTS (SELECT 1 FROM messages INDEXED BY messages_ready WHERE receiver_no = ?1 AND held = 0
    AND priority = ${PRIORITIES.indexOf("urgent")} AND status = 'queued' AND available_at <= ?2 AND (expires_at IS NULL OR expires_at > ?2)) AS urgent`;

/** All in one statement: six would cost 4 µs more, a third of a heartbeat in a group. */
const PENDING = `SELECT ${URGENT}, ${[...PRIORITIES.map((_, priority) => pendingSql(priority)), PENDING_KEYS].join(" + ")} AS pending`;
const ATTENTION = `SELECT ${URGENT}`;

/** Messages that could be received now, counted up to PENDING_COUNT_MAX, and whether an urgent one is among them. */
export function findPending(
  transaction: Transaction,
  agentNo: number,
): Pick<HeartbeatAnswer, "pendingMessages" | "attention"> {
  // Most mailboxes of a fleet are empty, and the depth answers for those at once.
  if (transaction.mailboxes.depth(agentNo) === 0) return { pendingMessages: 0 };
  const row = transaction.get<{ pending: number; urgent: number }>(PENDING, agentNo, transaction.now);
  return { pendingMessages: Math.min(row?.pending ?? 0, PENDING_COUNT_MAX), ...attentionOf(row) };
}

/** Whether an urgent message could be received now. */
export function findAttention(transaction: Transaction, agentNo: number): Pick<HeartbeatAnswer, "attention"> {
  if (transaction.mailboxes.depth(agentNo) === 0) return {};
  return attentionOf(transaction.get<{ urgent: number }>(ATTENTION, agentNo, transaction.now));
}

function attentionOf(row: { urgent: number } | undefined): Pick<HeartbeatAnswer, "attention"> {
  return row?.urgent === 1 ? { attention: true } : {};
}
