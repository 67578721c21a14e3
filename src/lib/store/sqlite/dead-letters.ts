import { DEAD_LETTER_BATCH_MAX } from "../../model/limits.ts";
import type { DeadLetterFilter } from "../../model/message.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { DeadLetterSelection, Page, Paged, StoredMessage } from "../store.ts";
import { agentByNo, findAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import {
  MESSAGE_COLUMNS,
  type MessageRow,
  READABLE_COLUMNS,
  type ReadableMessageRow,
  readMessage,
} from "./message-rows.ts";
import { placeInKey } from "./ordering-keys.ts";
import type { Transaction } from "./transaction.ts";

interface Condition {
  sql: string;
  parameters: (string | number)[];
}

/** The WHERE of a filter; undefined when it names an agent that does not exist, so that nothing can match. */
function condition(transaction: Transaction, filter: DeadLetterFilter): Condition | undefined {
  const parts = ["m.status = 'dead_lettered'"];
  const parameters: (string | number)[] = [];
  if (filter.receiver !== undefined) {
    const receiver = findAgent(transaction, filter.receiver);
    if (receiver === undefined) return undefined;
    parts.push("m.receiver_no = ?");
    parameters.push(receiver.agent_no);
  }
  if (filter.type !== undefined) parts.push("m.type = ?") && parameters.push(filter.type);
  if (filter.reason !== undefined) parts.push("m.reason = ?") && parameters.push(filter.reason);
  if (filter.before !== undefined) parts.push("m.ended_at < ?") && parameters.push(Date.parse(filter.before));
  return { sql: parts.join(" AND "), parameters };
}

/** Newest first by the time of dead-lettering. */
export function listDeadLetters(
  transaction: Transaction,
  query: Page & Omit<DeadLetterFilter, "before">,
): Paged<StoredMessage> {
  const { limit, cursor, ...filter } = query;
  const filters = { list: "dead-letters", ...filter };
  const [endedAt, arrival] = decodeCursor(filters, cursor, 2) ?? [Number.MAX_SAFE_INTEGER, 0];
  const where = condition(transaction, filter);
  if (where === undefined) return { items: [], nextCursor: null };
  const sql = `SELECT ${READABLE_COLUMNS} FROM messages m
    WHERE ${where.sql} AND (m.ended_at, m.arrival) < (?, ?) ORDER BY m.ended_at DESC, m.arrival DESC LIMIT ?`;
  const position = [Number(endedAt), Number(arrival), limit + 1];
  const rows = transaction.all<ReadableMessageRow>(sql, ...where.parameters, ...position);
  return takePage(
    rows,
    limit,
    (row) => readMessage(transaction, row),
    (last) => encodeCursor(filters, [last.ended_at ?? 0, last.arrival]),
  );
}

/** The chosen dead letters, oldest first; ids that are no dead letters are passed over. */
function select(transaction: Transaction, selection: DeadLetterSelection): MessageRow[] {
  const where: Condition | undefined =
    selection.messageIds === undefined
      ? condition(transaction, selection.filter ?? {})
      : {
          sql: "m.status = 'dead_lettered' AND m.message_id IN (SELECT value FROM json_each(?))",
          parameters: [JSON.stringify(selection.messageIds)],
        };
  if (where === undefined) return [];
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM messages m WHERE ${where.sql} ORDER BY ended_at, arrival LIMIT ?`;
  return transaction.all<MessageRow>(sql, ...where.parameters, DEAD_LETTER_BATCH_MAX);
}

const REDRIVE = `UPDATE messages SET arrival = (SELECT max(arrival) + 1 FROM messages), status = 'queued', held = ?, joined = ?,
  attempt_limit = attempt + max_attempts, available_at = ?, expires_at = NULL, ended_at = NULL, settlement = NULL
  WHERE arrival = ? RETURNING arrival`;

/**
 * Queues dead letters again: new arrival number, the same attempt, `maxAttempts` more of them, no time to live any more
 * (an operator's redrive of an old message would otherwise expire at once). Those of deregistered agents stay, and those
 * for which a mailbox has no room.
 *
 * @returns how many
 */
export function redriveDeadLetters(transaction: Transaction, selection: DeadLetterSelection): number {
  const room = new Map<number, number>();
  const messages = select(transaction, selection).filter(({ receiver_no: receiverNo }) => {
    const left = room.get(receiverNo) ?? roomFor(transaction, receiverNo);
    room.set(receiverNo, left - 1);
    return left > 0;
  });
  if (selection.dryRun) return messages.length;
  for (const message of messages) {
    const { ordering_key: key, receiver_no: receiverNo } = message;
    const { held, joined } = placeInKey(transaction, receiverNo, key, transaction.now);
    transaction.get(REDRIVE, held, joined, transaction.now, message.arrival);
    transaction.count("messages:dead_lettered", -1);
    transaction.count("messages:queued", 1);
    transaction.addToMailbox(receiverNo, 1);
    transaction.deliverableNo(receiverNo);
    recordDeadLetter(transaction, "dead_letters.redriven", message);
  }
  return messages.length;
}

const LIVE = "SELECT 1 FROM agents WHERE agent_no = ? AND status <> 'deregistered'";

/** How many messages a mailbox still takes; a deregistered agent's takes none. */
function roomFor(transaction: Transaction, receiverNo: number): number {
  if (transaction.get(LIVE, receiverNo) === undefined) return 0;
  return transaction.settings.maxMailbox - transaction.mailboxDepth(receiverNo);
}

/** Deletes dead letters. @returns how many */
export function purgeDeadLetters(transaction: Transaction, selection: DeadLetterSelection): number {
  const messages = select(transaction, selection);
  if (!selection.dryRun) for (const message of messages) purgeDeadLetter(transaction, message);
  return messages.length;
}

/** Deletes a dead letter. @param actor left out: whoever makes the call */
export function purgeDeadLetter(transaction: Transaction, message: DeadLetter, actor?: string): void {
  recordDeadLetter(transaction, "dead_letters.purged", message, actor);
  deleteMessage(transaction, message);
}

type DeadLetter = Pick<MessageRow, "arrival" | "status" | "message_id" | "receiver_no">;

function recordDeadLetter(
  transaction: Transaction,
  action: "dead_letters.redriven" | "dead_letters.purged",
  { message_id: subjectId, receiver_no: receiverNo }: DeadLetter,
  actor?: string,
): void {
  const detail = { receiver: agentByNo(transaction, receiverNo).agent_id };
  audit(transaction, { actor, action, subjectKind: "message", subjectId, detail });
}

/** Deletes an ended message; its payload goes with it. */
export function deleteMessage(transaction: Transaction, message: Pick<MessageRow, "arrival" | "status">): void {
  transaction.run("DELETE FROM messages WHERE arrival = ?", message.arrival);
  transaction.count(`messages:${message.status}`, -1);
}
