import type { MessageRelation } from "../../messages/message.ts";
import { PRIORITIES } from "../../values.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { rankOf } from "../message-reading.ts";
import { agentNotFound, messageNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, StoredMessage } from "../store.ts";
import { bigint, id, int, lookUp, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import {
  fittingMessages,
  READABLE_COLUMNS,
  READABLE_TABLES,
  type ReadableMessageRow,
  readMessage,
  STREAMS,
} from "./message-rows.ts";
import { sqlText } from "./texts.ts";
import { BIN2, BY_KEY, ID, PROLOGUE } from "./transaction.ts";

const BY_ID = sqlText(
  "get-message",
  `${PROLOGUE}SELECT ${READABLE_COLUMNS}
FROM dbo.messages AS m ${READABLE_TABLES} WHERE m.message_id = @messageId;
`,
);

/** @throws MESSAGE_NOT_FOUND */
export async function getMessage(connection: Connection, messageId: string): Promise<StoredMessage> {
  const result = await connection.query(BY_ID, { messageId: id(messageId) });
  const row = result.rows<ReadableMessageRow>(0)[0];
  if (row === undefined) throw messageNotFound(messageId);
  return readMessage(row);
}

/** The holder is known by name alone, which is free for another agent only when no message names it any more (deleteGone). */
const RELATION = lookUp<{ agentId: string; messageId: string }, MessageRelation>({
  name: "relation-to-message",
  sql: sqlText(
    "relation-to-message",
    `SELECT i.item, CASE i.agent_id ${BIN2} WHEN s.agent_id THEN 'sent_by' WHEN r.agent_id THEN 'sent_to' WHEN m.holder THEN 'leased_by' END AS value
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128)) AS i
LEFT JOIN dbo.messages AS m ON m.message_id = i.message_id ${BIN2}
LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
LEFT JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
${BY_KEY};
`,
  ),
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
const WAITING = sqlText(
  "peek-messages",
  `${PROLOGUE}DECLARE @agentNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @agentId);
DECLARE @waiting TABLE (arrival bigint NOT NULL PRIMARY KEY, rank bigint NOT NULL);
INSERT INTO @waiting (arrival, rank)
SELECT TOP (@limit) h.arrival, h.rank
FROM ${STREAMS} CROSS JOIN (VALUES (0), (1)) AS g (held)
CROSS APPLY (SELECT TOP (@limit) m.arrival, m.available_at - p.head_start AS rank FROM dbo.messages AS m
  WHERE m.receiver_no = @agentNo AND m.held = g.held AND m.status = 'queued' AND m.priority = p.priority
    AND m.available_at >= @rank + p.head_start AND (m.available_at > @rank + p.head_start OR m.arrival > @arrival)
    AND (m.expires_at IS NULL OR m.expires_at > @now)
  ORDER BY m.available_at, m.arrival) AS h
ORDER BY h.rank, h.arrival;
SELECT @agentNo AS agent_no;
SELECT ${READABLE_COLUMNS}, w.found
FROM ${fittingMessages("@waiting", "v.rank, v.arrival")} ${READABLE_TABLES};
`,
);

/** Before every rank that there can be. */
const LOWEST_RANK = -(2 ** 52);

/**
 * What waits in a mailbox, by rank, then arrival, without leasing it: due, delayed, and held behind an ordering key.
 *
 * @throws AGENT_NOT_FOUND
 */
export async function peekMessages(connection: Connection, agentId: string, page: Page): Promise<Paged<StoredMessage>> {
  const filters = { list: "mailbox", agentId };
  const [rank, arrival] = decodeCursor(filters, page.cursor) ?? [LOWEST_RANK, 0];
  const inputs = { rank: bigint(Number(rank)), arrival: bigint(Number(arrival)), limit: int(page.limit + 1) };
  const result = await connection.query(WAITING, { agentId: id(agentId), ...inputs });
  if (result.rows<{ agent_no: number | null }>(0)[0]?.agent_no == null) throw agentNotFound(agentId);
  const rows = result
    .rows<ReadableMessageRow & { found: number }>(1)
    .sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival);
  return takePage(
    rows,
    page.limit,
    readMessage,
    (last) => encodeCursor(filters, [rankOf(last), last.arrival]),
    rows[0]?.found,
  );
}

/**
 * At most one seek for each stream, one for the leases, and one for what a claim lets join its ordering key: in the order in
 * which they are likely to say yes.
 */
const DELIVERABLE = sqlText(
  "find-deliverable",
  `${PROLOGUE}DECLARE @asked TABLE (agent_id ${ID} NOT NULL PRIMARY KEY);
INSERT INTO @asked (agent_id) SELECT i.value FROM OPENJSON(@agentIds) AS i;
SELECT q.agent_id
FROM @asked AS q LEFT JOIN dbo.agents AS a ON a.agent_id = q.agent_id
WHERE a.agent_no IS NULL OR a.status = 'deregistered'
  OR EXISTS (SELECT 1 FROM (VALUES ${PRIORITIES.map((_, priority) => `(${priority})`).join(", ")}) AS p (priority)
    CROSS APPLY (SELECT TOP (1) m.arrival FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.held = 0
      AND m.status = 'queued' AND m.priority = p.priority AND m.available_at <= @now) AS h)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'leased' AND m.lease_expires_at <= @now)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.joined = 0 AND m.status = 'queued'
    AND m.available_at <= @now);
`,
);

/** Which of these mailboxes a claim has something to say of. */
export async function findDeliverable(connection: Connection, agentIds: readonly string[]): Promise<string[]> {
  if (agentIds.length === 0) return [];
  const agents = JSON.stringify([...new Set(agentIds)]);
  const result = await connection.query(DELIVERABLE, { agentIds: text(agents) });
  return result.rows<{ agent_id: string }>(0).map((row) => row.agent_id);
}
