import { newId } from "../../ids.ts";
import { DEAD_LETTER_BATCH_MAX } from "../../limits.ts";
import type { DeadLetterFilter } from "../../messages/message.ts";
import { actorOf } from "../../security/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { DeadLetterSelection, Page, Paged, StoredMessage } from "../store.ts";
import { detailOf, recordRows } from "./audit.ts";
import { type Batch, bigint, id, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText, plainText } from "./item-text.ts";
import {
  fittingMessages,
  READABLE_COLUMNS,
  READABLE_TABLES,
  type ReadableMessageRow,
  readMessage,
} from "./message-rows.ts";
import { joinKeys, joinsLater } from "./ordering-keys.ts";
import { ARRIVALS_PER_NUMBER } from "./system-messages.ts";
import { sqlText } from "./texts.ts";
import {
  APPLY_COUNTS,
  BIN2,
  BY_KEY,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  ID,
  PROLOGUE,
  raceUnless,
  SELECT_DELIVERABLE,
  WORD,
} from "./transaction.ts";

/** A filter's WHERE beside the receiver. (Equality of text passes over blanks at the end: the lengths do not.) */
const CONDITION = `m.status = 'dead_lettered' AND (@type IS NULL OR m.type = @type)
  AND (@reason IS NULL OR (m.reason = @reason ${BIN2} AND DATALENGTH(m.reason) = DATALENGTH(@reason)))`;

function listSql(ofReceiver: boolean) {
  return sqlText(
    `list-dead-letters${ofReceiver ? " of-receiver" : ""}`,
    `${PROLOGUE}DECLARE @listed TABLE (arrival bigint NOT NULL PRIMARY KEY, ended_at bigint NOT NULL);
INSERT INTO @listed (arrival, ended_at)
SELECT TOP (@limit) m.arrival, m.ended_at FROM dbo.messages AS m
WHERE ${ofReceiver ? "m.receiver_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @receiver) AND " : ""}${CONDITION}
  AND m.ended_at <= @endedAt AND (m.ended_at < @endedAt OR m.arrival < @arrival)
ORDER BY m.ended_at DESC, m.arrival DESC;
SELECT ${READABLE_COLUMNS}, w.found
FROM ${fittingMessages("@listed", "v.ended_at DESC, v.arrival DESC")} ${READABLE_TABLES};
`,
  );
}

const LIST = listSql(false);
const LIST_OF_RECEIVER = listSql(true);

/** Newest first by the time of dead-lettering. */
export async function listDeadLetters(
  connection: Connection,
  query: Page & Omit<DeadLetterFilter, "before">,
): Promise<Paged<StoredMessage>> {
  const { limit, cursor, ...filter } = query;
  const filters = { list: "dead-letters", ...filter };
  const [endedAt, arrival] = decodeCursor(filters, cursor) ?? [Number.MAX_SAFE_INTEGER, 0];
  const result = await connection.query(filter.receiver === undefined ? LIST : LIST_OF_RECEIVER, {
    ...(filter.receiver === undefined ? {} : { receiver: id(filter.receiver) }),
    type: word(filter.type ?? null),
    reason: text(filter.reason ?? null),
    endedAt: bigint(Number(endedAt)),
    arrival: bigint(Number(arrival)),
    limit: int(limit + 1),
  });
  const ended = (row: ReadableMessageRow): number => row.ended_at ?? 0;
  const rows = result
    .rows<ReadableMessageRow & { found: number }>(0)
    .sort((a, b) => ended(b) - ended(a) || b.arrival - a.arrival);
  return takePage(
    rows,
    limit,
    readMessage,
    (last) => encodeCursor(filters, [ended(last), last.arrival]),
    rows[0]?.found,
  );
}

/**
 * The chosen dead letters, oldest first, into @chosen; ids that are no dead letters are passed over. @done: the answer of an
 * earlier try of the same operation, whose repeat would count otherwise.
 */
const SELECT = `${PROLOGUE}DECLARE @operation uniqueidentifier, @dryRun bit, @receiver varchar(128), @type varchar(64), @reason nvarchar(max), @before bigint,
  @byIds bit, @count int, @actor varchar(128);
SELECT @operation = x.operation, @actor = x.actor, @dryRun = x.dry_run, @receiver = x.receiver, @type = x.type, @reason = ${plainText("x.reason")},
  @before = x.before, @byIds = x.by_ids
FROM OPENJSON(@items) WITH (operation uniqueidentifier, actor varchar(128), dry_run bit, receiver varchar(128), type varchar(64), reason nvarchar(max),
  before bigint, by_ids bit) AS x;
DECLARE @answer nvarchar(max) = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
DECLARE @chosen TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key ${ID} NULL, held bit NOT NULL, joined bit NOT NULL DEFAULT 1);
IF @answer IS NOT NULL SET @count = JSON_VALUE(@answer, '$.count');
ELSE IF @byIds = 1
  INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
  SELECT TOP (${DEAD_LETTER_BATCH_MAX}) m.arrival, m.receiver_no, m.ordering_key, 0
  FROM (SELECT DISTINCT CAST(v.value AS varchar(128)) ${BIN2} AS message_id
    FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.ids') AS v) AS x
  JOIN dbo.messages AS m ON m.message_id = x.message_id
  WHERE m.status = 'dead_lettered' ORDER BY m.ended_at, m.arrival;
ELSE IF @receiver IS NOT NULL
  INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
  SELECT TOP (${DEAD_LETTER_BATCH_MAX}) m.arrival, m.receiver_no, m.ordering_key, 0 FROM dbo.messages AS m
  WHERE m.receiver_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @receiver) AND ${CONDITION}
    AND (@before IS NULL OR m.ended_at < @before)
  ORDER BY m.ended_at, m.arrival;
ELSE
  INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
  SELECT TOP (${DEAD_LETTER_BATCH_MAX}) m.arrival, m.receiver_no, m.ordering_key, 0 FROM dbo.messages AS m
  WHERE ${CONDITION} AND (@before IS NULL OR m.ended_at < @before)
  ORDER BY m.ended_at, m.arrival;
`;

/** An entry for each of the messages of `chosen`; before they are deleted, or get other arrival numbers. */
function recordDeadLetters(
  action: "dead_letters.redriven" | "dead_letters.purged",
  actor: string,
  chosen: string,
): string {
  return recordRows({
    actor,
    action: `'${action}'`,
    subjectKind: "'message'",
    subjectId: "m.message_id",
    detail: detailOf({ receiver: { word: "a.agent_id" } }),
    from: `FROM ${chosen} AS c JOIN dbo.messages AS m ON m.arrival = c.arrival JOIN dbo.agents AS a ON a.agent_no = m.receiver_no
WHERE m.status = 'dead_lettered' ORDER BY c.arrival`,
  });
}

/** Keeps the answer in the same transaction. */
const KEEP_ANSWER = `INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
  VALUES (@operation, CONCAT(N'{"count":', @count, N'}'), @now);
`;

const ANSWER = "SELECT 0 AS item, @count AS count;\n";

const REDRIVE_SQL = sqlText(
  "redrive-dead-letters",
  `${SELECT}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}IF @answer IS NULL
BEGIN
  DELETE c FROM @chosen AS c JOIN dbo.agents AS a ON a.agent_no = c.receiver_no WHERE a.status = 'deregistered';
  -- Those for which the mailbox has no room.
  DELETE c FROM @chosen AS c
  JOIN (SELECT x.position, ROW_NUMBER() OVER (PARTITION BY x.receiver_no ORDER BY x.position) AS place FROM @chosen AS x) AS p
    ON p.position = c.position
  CROSS APPLY (SELECT SUM(n.value) AS depth FROM dbo.counters AS n WHERE n.name = CONCAT('mailbox:', c.receiver_no)) AS b
  WHERE b.depth + p.place > @maxMailbox;
  UPDATE c SET joined = 0 FROM @chosen AS c WHERE ${joinsLater({
    receiverNo: "c.receiver_no",
    orderingKey: "c.ordering_key",
  })};
  SET @count = (SELECT COUNT(*) FROM @chosen);
END;
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  DECLARE @number bigint;
  BEGIN TRANSACTION;
  ${recordDeadLetters("dead_letters.redriven", "@actor", "@chosen")}  ${joinKeys("@chosen", "position", "s.joined = 1")}SET @number = NEXT VALUE FOR dbo.message_arrivals;
  UPDATE m SET arrival = @number * ${ARRIVALS_PER_NUMBER} + c.position - 1, status = 'queued', held = CASE WHEN c.joined = 1 THEN c.held ELSE 1 END,
    joined = c.joined,    attempt_limit = m.attempt + m.max_attempts, available_at = @now, expires_at = NULL, ended_at = NULL, settlement = NULL
  FROM @chosen AS c JOIN dbo.messages AS m ON m.arrival = c.arrival WHERE m.status = 'dead_lettered'
  ${BY_KEY};
  ${raceUnless("@count")}  INSERT INTO @counts (name, delta) VALUES ('messages:dead_lettered', -@count), ('messages:queued', @count);
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', c.receiver_no), 1 FROM @chosen AS c;
  INSERT INTO @deliverable (agent_no) SELECT DISTINCT c.receiver_no FROM @chosen AS c;
  ${APPLY_COUNTS}${KEEP_ANSWER}COMMIT TRANSACTION;
END;
${ANSWER}${SELECT_DELIVERABLE}`,
);

/** Ended messages to be deleted. */
export const DECLARE_PURGED = `DECLARE @purged TABLE (arrival bigint NOT NULL PRIMARY KEY, status ${WORD} NOT NULL);
DECLARE @purgedRows int;
`;

/**
 * Deletes the messages of @purged; their payloads go with them. Inside the transaction. Leaves @purged empty.
 *
 * @param actor who purges the dead letters among them; left out: the switchboard
 */
export function deleteMessages(actor = "NULL"): string {
  return `SET @purgedRows = (SELECT COUNT(*) FROM @purged);
IF @purgedRows > 0
BEGIN
${recordDeadLetters("dead_letters.purged", actor, "@purged")}DELETE m FROM @purged AS p JOIN dbo.messages AS m ON m.arrival = p.arrival AND m.status = p.status
${BY_KEY};
${raceUnless("@purgedRows")}INSERT INTO @counts (name, delta) SELECT CONCAT('messages:', p.status), -COUNT(*) FROM @purged AS p GROUP BY p.status;
DELETE FROM @purged;
END;
`;
}

const PURGE_SQL = sqlText(
  "purge-dead-letters",
  `${SELECT}IF @answer IS NULL SET @count = (SELECT COUNT(*) FROM @chosen);
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  ${DECLARE_COUNTS}${DECLARE_PURGED}INSERT INTO @purged (arrival, status) SELECT c.arrival, 'dead_lettered' FROM @chosen AS c;
  BEGIN TRANSACTION;
  ${deleteMessages("@actor")}${APPLY_COUNTS}${KEEP_ANSWER}COMMIT TRANSACTION;
END;
${ANSWER}`,
);

type Operation = DeadLetterSelection & { operationId: string };

function operationBatch(
  name: string,
  sql: typeof PURGE_SQL,
  { wakes, inputs }: Pick<Batch<Operation, number>, "wakes" | "inputs">,
): Batch<Operation, number> {
  return {
    name,
    sql,
    ...(inputs === undefined ? {} : { inputs }),
    encode: ({ operationId, messageIds, filter, dryRun }) => ({
      operation: operationId,
      actor: actorOf(),
      dry_run: dryRun,
      by_ids: messageIds !== undefined,
      ids: [...(messageIds ?? [])],
      receiver: filter?.receiver ?? null,
      type: filter?.type ?? null,
      reason: filter?.reason === undefined ? null : itemText(filter.reason),
      before: filter?.before === undefined ? null : Date.parse(filter.before),
    }),
    decode: (result) => result.rows<{ count: number }>(0).map(({ count }) => ({ value: count })),
    // Up to a thousand rows each.
    maxItems: 1,
    wakes,
  };
}

const REDRIVE = operationBatch("redrive-dead-letters", REDRIVE_SQL, {
  wakes: true,
  inputs: ({ maxMailbox }) => ({ maxMailbox: int(maxMailbox) }),
});
const PURGE = operationBatch("purge-dead-letters", PURGE_SQL, { wakes: false });

/**
 * Queues dead letters again: new arrival number, the same attempt, `maxAttempts` more of them, no time to live any more
 * (an operator's redrive of an old message would otherwise expire at once). Those of deregistered agents stay, and those
 * for which a mailbox has no room.
 *
 * @returns how many
 */
export function redriveDeadLetters(connection: Connection, selection: DeadLetterSelection): Promise<number> {
  return connection.run(REDRIVE, { ...selection, operationId: newId(connection.clock.now()) });
}

/** Deletes dead letters. @returns how many */
export function purgeDeadLetters(connection: Connection, selection: DeadLetterSelection): Promise<number> {
  return connection.run(PURGE, { ...selection, operationId: newId(connection.clock.now()) });
}
