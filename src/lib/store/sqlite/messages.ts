import type { MessageRelation } from "../../model/message.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../model/values.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { messageNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, StoredMessage } from "../store.ts";
import { findAgent, requireAgent } from "./agent-rows.ts";
import { type ReadableMessageRow, readMessage, SELECT_READABLE } from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

const BY_ID = `${SELECT_READABLE} WHERE b.message_id = ?`;

/** @throws MESSAGE_NOT_FOUND */
export function getMessage(transaction: Transaction, messageId: string): StoredMessage {
  const row = transaction.get<ReadableMessageRow>(BY_ID, messageId);
  if (row === undefined) throw messageNotFound(messageId);
  // Once it has ended, its task may be another's, and so may what that depends on.
  return readMessage(transaction, row, row.ended_at === null);
}

/** The holder is known by name alone, which is free for another agent only when no message names it any more (deleteGone). */
const PARTIES = `SELECT (SELECT agent_id FROM agents WHERE agent_no = m.sender_no) AS sender,
    (SELECT agent_id FROM agents WHERE agent_no = m.receiver_no) AS receiver, m.holder
  FROM messages m WHERE m.arrival = (SELECT arrival FROM message_bodies WHERE message_id = ?)`;

/** What a message is to an agent. */
export function relationToMessage(
  transaction: Transaction,
  agentId: string,
  messageId: string,
): MessageRelation | undefined {
  const parties = transaction.get<{ sender: string | null; receiver: string; holder: string | null }>(
    PARTIES,
    messageId,
  );
  if (parties?.sender === agentId) return "sent_by";
  if (parties?.receiver === agentId) return "sent_to";
  return parties?.holder === agentId ? "leased_by" : undefined;
}

/** One stream, held or free, from a position on. ?1 receiver ?2 now ?3 limit ?4 rank ?5 arrival of the last row before */
function streamSql(priority: number, held: 0 | 1): string {
  const headStart = HEAD_START_MILLISECONDS[PRIORITIES[priority] ?? "low"];
  return `SELECT * FROM (SELECT arrival, available_at - ${headStart} AS rank FROM messages INDEXED BY messages_ready
    WHERE receiver_no = ?1 AND priority = ${priority} AND status = 'queued' AND held = ${held}
      AND (available_at, arrival) > (?4 + ${headStart}, ?5) AND (expires_at IS NULL OR expires_at > ?2)
    ORDER BY available_at, arrival LIMIT ?3)`;
}

const STREAMS = PRIORITIES.flatMap((_, priority) => [streamSql(priority, 0), streamSql(priority, 1)]).join(
  " UNION ALL ",
);
/** Places alone: sorting whole rows would read 1,608 payloads for a page of 200. */
const WAITING = `${STREAMS} ORDER BY rank, arrival LIMIT ?3`;
const BY_ARRIVAL = `${SELECT_READABLE} WHERE m.arrival = ?`;

interface Place {
  arrival: number;
  rank: number;
}

function messageAt(transaction: Transaction, { arrival }: Place): StoredMessage {
  const row = transaction.get<ReadableMessageRow>(BY_ARRIVAL, arrival);
  if (row === undefined) throw new Error(`message number ${arrival} is in a stream but does not exist`);
  return readMessage(transaction, row);
}

/**
 * What waits in a mailbox, by rank, then arrival, without leasing it: due, delayed, and held behind an ordering key.
 *
 * @throws AGENT_NOT_FOUND
 */
export function peekMessages(transaction: Transaction, agentId: string, page: Page): Paged<StoredMessage> {
  const agent = requireAgent(transaction, agentId);
  const filters = { list: "mailbox", agentId };
  const [rank, arrival] = decodeCursor(filters, page.cursor, 2) ?? [Number.MIN_SAFE_INTEGER / 2, 0];
  const parameters = [agent.agent_no, transaction.now, page.limit + 1, Number(rank), Number(arrival)];
  const places = transaction.all<Place>(WAITING, ...parameters);
  return takePage(
    places,
    page.limit,
    (place) => messageAt(transaction, place),
    (last) => encodeCursor(filters, [last.rank, last.arrival]),
  );
}

const LEASE_ENDED =
  "SELECT 1 FROM messages WHERE receiver_no = ?1 AND status = 'leased' AND lease_expires_at <= ?2 LIMIT 1";
/** A claim lets it join its ordering key. */
const JOINING = "SELECT 1 FROM messages WHERE joined = 0 AND receiver_no = ?1 AND available_at <= ?2 LIMIT 1";
/** One seek for each stream, one for the leases, and one for the keys; each ends the question. ?1 receiver ?2 now */
const DUE = PRIORITIES.map(
  (_, priority) => `SELECT 1 FROM messages INDEXED BY messages_ready
  WHERE receiver_no = ?1 AND held = 0 AND priority = ${priority} AND status = 'queued' AND available_at <= ?2 LIMIT 1`,
);
const DELIVERABLE = [...DUE, LEASE_ENDED, JOINING];

/** Which of these mailboxes a claim has something to say of. */
export function findDeliverable(transaction: Transaction, agentIds: readonly string[]): string[] {
  return [...new Set(agentIds)].filter((agentId) => {
    const agent = findAgent(transaction, agentId);
    if (agent === undefined || agent.status === "deregistered") return true;
    return DELIVERABLE.some((sql) => transaction.get(sql, agent.agent_no, transaction.now) !== undefined);
  });
}
