import type { MessageRelation } from "../../model/message.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { rankOf } from "../message-reading.ts";
import { agentNotFound, messageNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, StoredMessage } from "../store.ts";
import { bigint, id, int, lookUp, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { type ReadableMessageRow, readMessage, readWhole } from "./message-rows.ts";
import { procedure } from "./procedures.ts";

const BY_ID = procedure("get_message");

/** @throws MESSAGE_NOT_FOUND */
export async function getMessage(connection: Connection, messageId: string): Promise<StoredMessage> {
  const result = await connection.query(BY_ID, { messageId: id(messageId) });
  const row = result.rows<ReadableMessageRow>(0)[0];
  if (row === undefined) throw messageNotFound(messageId);
  // Once it has ended, its task may be another's, and so may what that depends on.
  return row.ended_at === null ? readWhole(connection, row) : readMessage(row);
}

/** The holder is known by name alone, which is free for another agent only when no message names it any more (deleteGone). */
const RELATION = lookUp<{ agentId: string; messageId: string }, MessageRelation>({
  name: "relation-to-message",
  sql: procedure("relation_to_message"),
  encode: ({ agentId, messageId }) => ({ agent_id: agentId, message_id: messageId }),
});

/** What a message is to an agent. */
export function relationToMessage(
  connection: Connection,
  agentId: string,
  messageId: string,
): Promise<MessageRelation | undefined> {
  return connection.run(RELATION, { agentId, messageId });
}

/** Each stream, free and held, from a position on (@rank, @arrival: of the last row before); then the first of all. */
const WAITING = procedure("peek_messages");

/** Before every rank that there can be. */
const LOWEST_RANK = -(2 ** 52);

/**
 * What waits in a mailbox, by rank, then arrival, without leasing it: due, delayed, and held behind an ordering key.
 *
 * @throws AGENT_NOT_FOUND
 */
export async function peekMessages(connection: Connection, agentId: string, page: Page): Promise<Paged<StoredMessage>> {
  const filters = { list: "mailbox", agentId };
  const [rank, arrival] = decodeCursor(filters, page.cursor, 2) ?? [LOWEST_RANK, 0];
  const inputs = { rank: bigint(Number(rank)), arrival: bigint(Number(arrival)), limit: int(page.limit + 1) };
  const result = await connection.query(WAITING, { agentId: id(agentId), ...inputs });
  if (result.rows<{ agent_no: number | null }>(0)[0]?.agent_no == null) throw agentNotFound(agentId);
  const rows = result
    .rows<ReadableMessageRow & { found: number }>(1)
    .sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival);
  return takePage(
    rows,
    page.limit,
    (row) => readMessage(row),
    (last) => encodeCursor(filters, [rankOf(last), last.arrival]),
    rows[0]?.found,
  );
}

/**
 * At most one seek for each stream, one for the leases, and one for what a claim lets join its ordering key: in the order in
 * which they are likely to say yes.
 */
const DELIVERABLE = procedure("find_deliverable");

/** Which of these mailboxes a claim has something to say of. */
export async function findDeliverable(connection: Connection, agentIds: readonly string[]): Promise<string[]> {
  if (agentIds.length === 0) return [];
  const agents = JSON.stringify([...new Set(agentIds)]);
  const result = await connection.query(DELIVERABLE, { agentIds: text(agents) });
  return result.rows<{ agent_id: string }>(0).map((row) => row.agent_id);
}
