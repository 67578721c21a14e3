import type { LeasedMessage } from "../../messages/message.ts";
import { utf8Bytes } from "../../json.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../values.ts";
import type { Claim, Claimed } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import {
  endMessage,
  MESSAGE_COLUMNS,
  type MessageRow,
  payloadText,
  READABLE_COLUMNS,
  type ReadableMessageRow,
  readLeased,
  takeBack,
} from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Ended leases and expired messages that one claim works off before it answers; the caller is told when there are more. */
const UPKEEP_MAX = 500;

/**
 * Leases due messages by rank, then arrival. The streams of a mailbox, one per priority, are read at their heads and
 * merged by rank, so the cost does not grow with what is delayed, held, leased or done.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function claimMessages(transaction: Transaction, claim: Claim): Claimed {
  const agent = requireRegistered(transaction, claim.agentId);
  countAsHeartbeat(transaction, agent);
  if (claim.claimId !== undefined) {
    const repeated = claimedBefore(transaction, agent, claim.claimId);
    if (repeated.length > 0) return { messages: repeated, unfinished: false };
  }
  const takenBack = takeBackEndedLeases(transaction, agent.agent_no);
  const walk = new Walk(transaction, agent, claim);
  walk.fill();
  const unfinished = takenBack === UPKEEP_MAX || walk.expired >= UPKEEP_MAX;
  return { messages: walk.leased, unfinished: unfinished && walk.leased.length < claim.maxMessages };
}

const OF_CLAIM = `SELECT ${READABLE_COLUMNS}, ?2 AS receiver_id FROM messages m
  WHERE receiver_no = ?1 AND claim_id = ?3 AND status = 'leased' ORDER BY arrival`;

type LeasedRow = ReadableMessageRow & { lease_expires_at: number };

function claimedBefore(transaction: Transaction, agent: AgentRow, claimId: string): LeasedMessage[] {
  return transaction
    .all<LeasedRow>(OF_CLAIM, agent.agent_no, agent.agent_id, claimId)
    .filter((row) => row.lease_expires_at > transaction.now)
    .map((row) => readLeased(transaction, row, payloadText(transaction, row)));
}

const ENDED_LEASES = `SELECT ${MESSAGE_COLUMNS} FROM messages
  WHERE receiver_no = ? AND status = 'leased' AND lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ?`;

/** Returns what the agent's own ended leases hold to the mailbox. @returns how many */
function takeBackEndedLeases(transaction: Transaction, agentNo: number): number {
  const ended = transaction.all<MessageRow>(ENDED_LEASES, agentNo, transaction.now, UPKEEP_MAX);
  for (const message of ended) takeBack(transaction, message);
  return ended.length;
}

/** One priority's stream: its due head, without types and with one type. ?1 receiver ?2 id ?3 now ?4 limit ?5 type */
function streamSql(priority: number, typed: boolean): string {
  const headStart = HEAD_START_MILLISECONDS[PRIORITIES[priority] ?? "low"];
  return `SELECT * FROM (SELECT ${READABLE_COLUMNS}, ?2 AS receiver_id, available_at - ${headStart} AS rank FROM messages m
    INDEXED BY ${typed ? "messages_ready_by_type" : "messages_ready"}
    WHERE receiver_no = ?1 ${typed ? "AND type = ?5" : ""} AND priority = ${priority} AND status = 'queued' AND held = 0
      AND available_at <= ?3 ORDER BY available_at, arrival LIMIT ?4)`;
}

const STREAMS = PRIORITIES.map((_, priority) => streamSql(priority, false)).join(" UNION ALL ");
const HEADS = `${STREAMS} ORDER BY rank, arrival LIMIT ?4`;
const TYPED_STREAMS = PRIORITIES.map((_, priority) => streamSql(priority, true)).join(" UNION ALL ");
const TYPED_HEADS = `${TYPED_STREAMS} ORDER BY rank, arrival LIMIT ?4`;

const LEASE = `UPDATE messages SET status = 'leased', attempt = attempt + 1, lease_expires_at = ?, claim_id = ?, settlement = NULL
  WHERE arrival = ?`;

type RankedRow = ReadableMessageRow & { rank: number };

/** A walk along the merged streams that leases what it may and expires what it must. */
class Walk {
  readonly leased: LeasedMessage[] = [];
  expired = 0;
  readonly #transaction: Transaction;
  readonly #agent: AgentRow;
  readonly #claim: Claim;
  #bytes = 0;

  constructor(transaction: Transaction, agent: AgentRow, claim: Claim) {
    this.#transaction = transaction;
    this.#agent = agent;
    this.#claim = claim;
  }

  fill(): void {
    while (this.leased.length < this.#claim.maxMessages && this.expired < UPKEEP_MAX) {
      const wanted = this.#claim.maxMessages - this.leased.length;
      const rows = this.#heads(wanted);
      for (const row of rows) if (!this.#take(row)) return;
      // Fewer than asked for, none of which was expired (freeing others): the streams are at their end.
      if (rows.length === 0) return;
    }
  }

  #heads(limit: number): RankedRow[] {
    const { agent_no: agentNo, agent_id: agentId } = this.#agent;
    const now = this.#transaction.now;
    const types = this.#claim.types;
    if (types === undefined) return this.#transaction.all<RankedRow>(HEADS, agentNo, agentId, now, limit);
    const rows = [...new Set(types)].flatMap((type) =>
      this.#transaction.all<RankedRow>(TYPED_HEADS, agentNo, agentId, now, limit, type),
    );
    return rows.sort((a, b) => a.rank - b.rank || a.arrival - b.arrival).slice(0, limit);
  }

  /** Leases or expires the row. @returns false when the reply is full */
  #take(row: RankedRow): boolean {
    const transaction = this.#transaction;
    if (row.expires_at !== null && row.expires_at <= transaction.now) {
      endMessage(transaction, row, "expired");
      this.expired += 1;
      return true;
    }
    const text = payloadText(transaction, row);
    this.#bytes += text.length * 3 < this.#claim.maxBytes ? text.length : utf8Bytes(text);
    if (this.leased.length > 0 && this.#bytes > this.#claim.maxBytes) return false;
    const leaseExpiresAt = transaction.now + Math.ceil(this.#claim.leaseMilliseconds);
    transaction.run(LEASE, leaseExpiresAt, this.#claim.claimId ?? null, row.arrival);
    transaction.count("messages:queued", -1);
    transaction.count("messages:leased", 1);
    const leased = { ...row, status: "leased" as const, attempt: row.attempt + 1, lease_expires_at: leaseExpiresAt };
    this.leased.push(readLeased(transaction, leased, text));
    return true;
  }
}
