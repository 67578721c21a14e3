import type { SQLInputValue } from "node:sqlite";
import { DEAD_LETTER_BATCH_MAX } from "../../model/limits.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import type { DeadLetterEngine } from "../dead-letter-verbs.ts";
import { type DeadLetterChange, deadLetterEntry, type SeenDeadLetters } from "../rules/dead-letters.ts";
import type { DeadLetterSelection } from "../store.ts";
import { agentByNo, findAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import type { Connection } from "./connection.ts";
import { decideBy } from "./decide.ts";
import { type LiveMessageRow, READABLE_COLUMNS, type ReadableMessageRow, readMessage } from "./message-rows.ts";
import { placeInKey } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";
import { rejoinTypedStream } from "./typed-streams.ts";

/** Dead letters: rows that are read, and rows that rules/dead-letters.ts wants written. */

const DEAD = "FROM messages m JOIN message_bodies b ON b.arrival = m.arrival WHERE m.dead_at IS NOT NULL";
const OF_RECEIVER = "AND m.receiver_no = ";
/** ?1 and ?2: type and reason, each NULL for any; ?3: how many. */
const FILTER = "AND (?1 IS NULL OR b.type = ?1) AND (?2 IS NULL OR m.reason = ?2)";

/** ?4 and ?5: behind which position. */
const BEHIND = "AND (m.dead_at, m.arrival) < (?4, ?5) ORDER BY m.dead_at DESC, m.arrival DESC LIMIT ?3";
const LIST = `SELECT ${READABLE_COLUMNS} ${DEAD} ${FILTER} ${BEHIND}`;
const LIST_OF_RECEIVER = `SELECT ${READABLE_COLUMNS} ${DEAD} ${OF_RECEIVER} ?6 ${FILTER} ${BEHIND}`;

/** Oldest first. ?4: before when, NULL for any time. */
const COLUMNS = "m.arrival, b.message_id, m.receiver_no";
const ENDED_BEFORE = "AND (?4 IS NULL OR m.dead_at < ?4) ORDER BY m.dead_at, m.arrival LIMIT ?3";
const SELECT = `SELECT ${COLUMNS} ${DEAD} ${FILTER} ${ENDED_BEFORE}`;
const SELECT_OF_RECEIVER = `SELECT ${COLUMNS} ${DEAD} ${OF_RECEIVER} ?5 ${FILTER} ${ENDED_BEFORE}`;
const SELECT_BY_ID = `SELECT ${COLUMNS} ${DEAD} AND b.message_id IN (SELECT value FROM json_each(?))
  ORDER BY m.dead_at, m.arrival LIMIT ?`;

/** What the verbs of dead letters read and write. */
export function deadLetterEngine(connection: Connection): DeadLetterEngine {
  return {
    decide: decideBy(connection, { see, write }),
    list: ({ endedAt, arrival, rows }, { receiver, type = null, reason = null }, take) =>
      connection.read((tx) => {
        const all = [type, reason, rows, endedAt, arrival];
        const found = ofReceiver<ReadableMessageRow>(tx, receiver, LIST, LIST_OF_RECEIVER, all);
        return take(found.map((row) => ({ ...positionOf(row), read: () => readMessage(tx, row) })));
      }),
  };
}

function positionOf(row: ReadableMessageRow) {
  return { endedAt: row.ended_at ?? 0, arrival: row.arrival };
}

/** Rows of one receiver, which is the last parameter then, or of all. */
function ofReceiver<Row>(
  transaction: Transaction,
  receiver: string | undefined,
  sql: string,
  sqlOfReceiver: string,
  parameters: readonly SQLInputValue[],
): Row[] {
  if (receiver === undefined) return transaction.all<Row>(sql, ...parameters);
  const agent = findAgent(transaction, receiver);
  return agent === undefined ? [] : transaction.all<Row>(sqlOfReceiver, ...parameters, agent.agent_no);
}

function see(transaction: Transaction, { messageIds, filter = {} }: DeadLetterSelection): SeenDeadLetters {
  const { receiver, type = null, reason = null, before } = filter;
  const parameters = [type, reason, DEAD_LETTER_BATCH_MAX, before === undefined ? null : Date.parse(before)];
  return {
    letters:
      messageIds === undefined
        ? ofReceiver(transaction, receiver, SELECT, SELECT_OF_RECEIVER, parameters)
        : transaction.all(SELECT_BY_ID, JSON.stringify(messageIds), DEAD_LETTER_BATCH_MAX),
    receiver(receiverNo) {
      const { agent_id: agentId, status } = agentByNo(transaction, receiverNo);
      return { agentId, isRegistered: status !== "deregistered", depth: transaction.mailboxes.depth(receiverNo) };
    },
    maxMailbox: transaction.settings.maxMailbox,
  };
}

const DEAD_LETTER = "SELECT sender_no, ordering_key FROM messages WHERE arrival = ?";
const REDRIVE = `UPDATE messages SET arrival = (SELECT max(arrival) + 1 FROM messages), status = 'queued', held = ?, joined = ?,
  attempt_limit = attempt + (SELECT max_attempts FROM message_bodies b WHERE b.arrival = messages.arrival), available_at = ?,
  expires_at = NULL, ended_at = NULL, dead_at = NULL, settlement = NULL WHERE arrival = ? RETURNING arrival`;

function write(transaction: Transaction, { step, letters }: DeadLetterChange): void {
  for (const { arrival, receiver_no: receiverNo } of letters) {
    if (step === "purge") deleteMessage(transaction, { arrival, status: "dead_lettered" });
    else redrive(transaction, arrival, receiverNo);
  }
}

/**
 * Queues it again: a new arrival number, the same attempt, `max_attempts` more of them, no time to live any more (an operator's
 * redrive of an old message would otherwise expire at once).
 */
function redrive(transaction: Transaction, arrival: number, receiverNo: number): void {
  const letter = transaction.get<Pick<LiveMessageRow, "sender_no" | "ordering_key">>(DEAD_LETTER, arrival);
  const { held, joined } = placeInKey(transaction, receiverNo, letter?.ordering_key, transaction.now);
  const queued = transaction.get<{ arrival: number }>(REDRIVE, held, joined, transaction.now, arrival);
  transaction.count("messages:dead_lettered", -1);
  transaction.count("messages:queued", 1);
  transaction.mailboxes.add(receiverNo, letter?.sender_no ?? null, 1);
  if (queued !== undefined) rejoinTypedStream(transaction, receiverNo, queued.arrival);
  transaction.deliverableNo(receiverNo);
}

type Purged = Pick<LiveMessageRow, "arrival" | "status" | "receiver_no"> & { message_id: string };

/** Deletes a dead letter for the switchboard. */
export function purgeDeadLetter(transaction: Transaction, message: Purged): void {
  const receiver = agentByNo(transaction, message.receiver_no).agent_id;
  audit(transaction, { ...deadLetterEntry("purge", message, receiver), actor: SYSTEM_ACTOR });
  deleteMessage(transaction, message);
}

const DELETE = "DELETE FROM messages WHERE arrival = ? RETURNING sender_no, receiver_no";

/** Deletes an ended message; its body goes with it. */
export function deleteMessage(transaction: Transaction, message: Pick<LiveMessageRow, "arrival" | "status">): void {
  const named = transaction.get<Pick<LiveMessageRow, "sender_no" | "receiver_no">>(DELETE, message.arrival);
  if (named !== undefined) transaction.mailboxes.addNamed(named.receiver_no, -1);
  if (typeof named?.sender_no === "number") transaction.mailboxes.addNamed(named.sender_no, -1);
  transaction.count(`messages:${message.status}`, -1);
}
