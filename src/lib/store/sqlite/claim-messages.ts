import {
  JOINS_PER_TRANSACTION,
  MESSAGE_FIELDS_BYTES,
  RECEIVE_MAX_MESSAGES,
  REPLY_MAX_BYTES,
} from "../../model/limits.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../model/values.ts";
import { rankOf } from "../message-reading.ts";
import type { Claim, Claimed, StoredLeasedMessage } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import { auditMessage } from "./audit.ts";
import { requireQueue } from "./channels.ts";
import {
  endMessage,
  LIVE_COLUMNS,
  type LiveMessageRow,
  payloadBytes,
  type ReadableMessageRow,
  readLeased,
  SELECT_READABLE,
  takeBack,
} from "./message-rows.ts";
import { joinKeys } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";
import { makeTypedStreams } from "./typed-streams.ts";

/**
 * Ended leases and expired messages that one claim processes before it answers, in addition to JOINS_PER_TRANSACTION that join their
 * ordering keys; the caller is told when there are more.
 */
const UPKEEP_MAX = 500;

/**
 * Leases due messages by rank, then arrival. The streams of a mailbox, one per priority, are read at their heads and
 * merged by rank, so the cost does not grow with what is delayed, held, leased or done. From a channel's mailbox they go to
 * the member that asks, who is then their holder.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND
 */
export function claimMessages(transaction: Transaction, claim: Claim): Claimed {
  const agent = requireRegistered(transaction, claim.agentId);
  const mailbox = claim.channel === undefined ? agent : requireQueue(transaction, claim.channel);
  countAsHeartbeat(transaction, agent);
  if (claim.claimId !== undefined) {
    const repeated = claimedBefore(transaction, mailbox, claim.claimId, claim);
    if (repeated.length > 0) return { messages: repeated, unfinished: false };
  }
  const takenBack = takeBackEndedLeases(transaction, mailbox.agent_no);
  const joined = joinKeys(transaction, mailbox.agent_no, JOINS_PER_TRANSACTION);
  if (claim.types !== undefined && !makeTypedStreams(transaction, mailbox.agent_no))
    return { messages: [], unfinished: true };
  const walk = new Walk(transaction, mailbox, claim);
  walk.fill();
  const unfinished = takenBack === UPKEEP_MAX || joined === JOINS_PER_TRANSACTION || walk.expired >= UPKEEP_MAX;
  return { messages: walk.leased, unfinished: unfinished && walk.leased.length < claim.maxMessages };
}

const OF_CLAIM = `${SELECT_READABLE}
  WHERE receiver_no = ? AND claim_id = ?`;

type LeasedRow = ReadableMessageRow & { lease_expires_at: number };

function claimedBefore(
  transaction: Transaction,
  mailbox: AgentRow,
  claimId: string,
  claim: Claim,
): StoredLeasedMessage[] {
  const holder = claim.channel === undefined ? null : claim.agentId;
  return transaction
    .all<LeasedRow>(OF_CLAIM, mailbox.agent_no, claimId)
    .filter((row) => row.lease_expires_at > transaction.now && row.holder === holder)
    .sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival)
    .map((row) => readLeased(transaction, row));
}

const ENDED_LEASES = `SELECT ${LIVE_COLUMNS} FROM messages
  WHERE receiver_no = ? AND status = 'leased' AND lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ${UPKEEP_MAX}`;

/** Returns what ended leases hold to the mailbox. @returns how many */
function takeBackEndedLeases(transaction: Transaction, agentNo: number): number {
  const ended = transaction.all<LiveMessageRow>(ENDED_LEASES, agentNo, transaction.now);
  for (const message of ended) takeBack(transaction, message);
  return ended.length;
}

/**
 * The due head of one stream, read from its index alone. Written without a union, which sorts (90 µs instead of 1), and
 * with the limit as a literal: SQLite plans again whenever a bound LIMIT is bound anew (5.6 µs instead of 0.2).
 */
function headSql(priority: number, typed: boolean, limit: number): string {
  return `SELECT arrival, available_at FROM messages INDEXED BY ${typed ? "messages_ready_by_type" : "messages_ready"}
    WHERE receiver_no = ? ${typed ? "AND stream_type IS NOT NULL AND stream_type = ?" : ""} AND priority = ${priority} AND ${typed ? "" : "status = 'queued' AND "}held = 0
      AND available_at <= ? ORDER BY available_at, arrival LIMIT ${limit}`;
}

/** The limits that statements exist for: one message is the common receive. */
const LIMITS = [1, 10, RECEIVE_MAX_MESSAGES] as const;

const HEADS = LIMITS.map((limit) => PRIORITIES.map((_, priority) => headSql(priority, false, limit)));
const TYPED_HEADS = LIMITS.map((limit) => PRIORITIES.map((_, priority) => headSql(priority, true, limit)));

/** The statement of the smallest limit that suffices; what it reads too much is cut off after the merge. */
function headOf(heads: readonly (readonly string[])[], limit: number, priority: number): string {
  const index = LIMITS.findIndex((known) => known >= limit);
  return heads[index]?.[priority] ?? headSql(priority, heads === TYPED_HEADS, limit);
}

const BY_ARRIVAL = `${SELECT_READABLE} WHERE m.arrival = ?`;

/** Columns that have indexes are named only where they change. */
function leaseSql(more: string): string {
  return `UPDATE messages SET status = 'leased', attempt = attempt + 1, lease_expires_at = ?, settlement = NULL${more} WHERE arrival = ?`;
}

interface Head {
  arrival: number;
  available_at: number;
}

interface Ranked {
  arrival: number;
  rank: number;
}

/** A walk along the merged streams that leases what it may and expires what it must. */
class Walk {
  readonly leased: StoredLeasedMessage[] = [];
  expired = 0;
  readonly #transaction: Transaction;
  readonly #mailbox: AgentRow;
  readonly #claim: Claim;
  readonly #leaseSql: string;
  #bytes = 0;

  constructor(transaction: Transaction, mailbox: AgentRow, claim: Claim) {
    this.#transaction = transaction;
    this.#mailbox = mailbox;
    this.#claim = claim;
    const typed = transaction.mailboxes.byType(mailbox.agent_no) > 0;
    this.#leaseSql = leaseSql(
      (claim.claimId === undefined ? "" : ", claim_id = ?") +
        (claim.channel === undefined ? "" : ", holder = ?") +
        (typed ? ", stream_type = NULL" : ""),
    );
  }

  fill(): void {
    while (this.leased.length < this.#claim.maxMessages && this.expired < UPKEEP_MAX) {
      const wanted = this.#claim.maxMessages - this.leased.length;
      const rows = this.#heads(wanted);
      for (const { arrival } of rows) if (!this.#take(arrival)) return;
      // Fewer than asked for, none of which was expired (freeing others): the streams are at their end.
      if (rows.length === 0) return;
    }
  }

  /** The first `limit` of the merged streams, by rank, then arrival. */
  #heads(limit: number): Ranked[] {
    const { types } = this.#claim;
    const ranked: Ranked[] = [];
    for (const [priority, name] of PRIORITIES.entries()) {
      const headStart = HEAD_START_MILLISECONDS[name];
      for (const head of types === undefined
        ? this.#stream(priority, limit)
        : this.#typedStreams(priority, limit, types)) {
        ranked.push({ arrival: head.arrival, rank: head.available_at - headStart });
      }
    }
    if (ranked.length > 1) ranked.sort((a, b) => a.rank - b.rank || a.arrival - b.arrival);
    return ranked.length > limit ? ranked.slice(0, limit) : ranked;
  }

  #stream(priority: number, limit: number): Head[] {
    const sql = headOf(HEADS, limit, priority);
    return this.#transaction.all<Head>(sql, this.#mailbox.agent_no, this.#transaction.now);
  }

  #typedStreams(priority: number, limit: number, types: readonly string[]): Head[] {
    const sql = headOf(TYPED_HEADS, limit, priority);
    const { now } = this.#transaction;
    return [...new Set(types)].flatMap((type) => this.#transaction.all<Head>(sql, this.#mailbox.agent_no, type, now));
  }

  /** Leases or expires the row. @returns false when the reply is full */
  #take(arrival: number): boolean {
    const transaction = this.#transaction;
    const row = transaction.get<ReadableMessageRow>(BY_ARRIVAL, arrival);
    if (row === undefined) throw new Error(`message number ${arrival} is in a stream but does not exist`);
    if (row.expires_at !== null && row.expires_at <= transaction.now) {
      endMessage(transaction, { ...row, settlement: null }, "expired");
      this.expired += 1;
      return true;
    }
    this.#bytes += payloadBytes(transaction, row);
    const replyBytes = this.#bytes + (this.leased.length + 1) * MESSAGE_FIELDS_BYTES;
    const full = this.#bytes > this.#claim.maxBytes || replyBytes > REPLY_MAX_BYTES;
    if (this.leased.length > 0 && full) return false;
    const leaseExpiresAt = transaction.now + Math.ceil(this.#claim.leaseMilliseconds);
    const holder = this.#lease(row.arrival, leaseExpiresAt);
    transaction.count("messages:queued", -1);
    transaction.count("messages:leased", 1);
    const attempt = row.attempt + 1;
    const { agentId } = this.#claim;
    auditMessage(transaction, "message.received", {
      messageId: row.message_id,
      agentId,
      detail: { attempt, agentId },
    });
    const leased = Object.assign(row, { status: "leased" as const, attempt, lease_expires_at: leaseExpiresAt, holder });
    this.leased.push(readLeased(transaction, leased));
    return true;
  }

  /** @returns the holder; null where that is the receiver */
  #lease(arrival: number, leaseExpiresAt: number): string | null {
    const { channel, agentId, claimId } = this.#claim;
    const values: (string | number)[] = [leaseExpiresAt];
    if (claimId !== undefined) values.push(claimId);
    if (channel !== undefined) values.push(agentId);
    this.#transaction.run(this.#leaseSql, ...values, arrival);
    return channel === undefined ? null : agentId;
  }
}
