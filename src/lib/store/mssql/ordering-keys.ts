import { JOINS_PER_TRANSACTION, MAINTENANCE_BATCH_ROWS } from "../../limits.ts";
import type { Walked } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { ARRIVALS_PER_NUMBER } from "./system-messages.ts";
import { sqlText } from "./texts.ts";
import { BY_KEY, DECLARE_DELIVERABLE, ID, PROLOGUE, raceUnless, SELECT_DELIVERABLE } from "./transaction.ts";
import { endIf, upkeepStep } from "./upkeep-step.ts";

/**
 * How messages get into their ordering keys, and how the keys move on. Only the lowest unsettled number of a receiver and key
 * is delivered. A message with a first delay joins its key when it becomes due, with the number given then, so that it holds
 * up nothing before.
 */

/** How many messages of which ordering keys end. */
export const DECLARE_ENDED_KEYS = `DECLARE @ended_keys TABLE (receiver_no int NOT NULL, ordering_key ${ID} NOT NULL, ended int NOT NULL,
  PRIMARY KEY (receiver_no, ordering_key));
DECLARE @endedKeys int;
`;

/** Right after the INSERT into @ended_keys: takes them from the unsettled ones of their keys, whose rows are locked from here on. */
export const LEAVE_KEYS = `SET @endedKeys = @@ROWCOUNT;
IF @endedKeys > 0
BEGIN
  UPDATE k SET unsettled = k.unsettled - e.ended
  FROM @ended_keys AS e JOIN dbo.ordering_keys AS k ON k.receiver_no = e.receiver_no AND k.ordering_key = e.ordering_key
  ${BY_KEY};
  ${raceUnless("@endedKeys")}END;
`;

/**
 * The lowest unsettled number of each key is no longer held behind another. Whoever sends with a key or ends a message of
 * it holds the key's row, so the number cannot change under this read. A key without unsettled messages loses its row.
 */
export const FREE_NEXT_OF_KEYS = `IF @endedKeys > 0
BEGIN
  UPDATE dbo.messages SET held = 0
  OUTPUT inserted.receiver_no INTO @deliverable (agent_no)
  WHERE held = 1 AND arrival IN (SELECT f.arrival FROM @ended_keys AS e
    CROSS APPLY (SELECT TOP (1) n.arrival FROM dbo.messages AS n WHERE n.receiver_no = e.receiver_no
      AND n.ordering_key = e.ordering_key AND n.ordering_key IS NOT NULL AND n.joined = 1 AND n.status IN ('queued', 'leased')
      ORDER BY n.arrival) AS f);
  DELETE k FROM @ended_keys AS e
  JOIN dbo.ordering_keys AS k ON k.receiver_no = e.receiver_no AND k.ordering_key = e.ordering_key AND k.unsettled = 0;
  DELETE FROM @ended_keys;
END;
`;

/**
 * Joins messages to their ordering keys: they are counted in the key's row first, so that neither another sender nor the end
 * of the one before is missed, and all but the lowest unsettled one are held. A key that two make at once is a lost race.
 * Inside the transaction, before the arrival number is taken.
 *
 * @param source a table variable with receiver_no, ordering_key and held
 * @param place its column by which they arrive
 * @param chosen the condition of those that join, of `s`
 */
export function joinKeys(source: string, place: string, chosen: string): string {
  return `DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key ${ID} NOT NULL, added int NOT NULL, head int NOT NULL,
    PRIMARY KEY (receiver_no, ordering_key));
  INSERT INTO @keys (receiver_no, ordering_key, added, head)
  SELECT s.receiver_no, s.ordering_key, COUNT(*), MIN(s.${place}) FROM ${source} AS s
  WHERE ${chosen} AND s.ordering_key IS NOT NULL GROUP BY s.receiver_no, s.ordering_key;
  DECLARE @keyRows int = @@ROWCOUNT, @joinedRows int;
  IF @keyRows > 0
  BEGIN
    UPDATE k SET unsettled = k.unsettled + a.added
    FROM @keys AS a JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    ${BY_KEY};
    SET @joinedRows = @@ROWCOUNT;
    INSERT INTO dbo.ordering_keys (receiver_no, ordering_key, unsettled)
    SELECT a.receiver_no, a.ordering_key, a.added FROM @keys AS a
    LEFT JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    WHERE k.receiver_no IS NULL
    ${BY_KEY};
    ${raceUnless("@keyRows - @joinedRows")}    UPDATE s SET held = 1
    FROM @keys AS a JOIN ${source} AS s ON s.receiver_no = a.receiver_no AND s.ordering_key = a.ordering_key
    JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    WHERE ${chosen} AND (s.${place} > a.head OR k.unsettled > a.added);
  END;
  `;
}

/** The key that the end of a message `m` moves on: none where it has not joined. (Joining gives it another number, so that whoever read it before loses the race.) */
export const KEY_TO_LEAVE = "CASE WHEN m.joined = 1 THEN m.ordering_key END";

/**
 * That a message which comes into a mailbox now joins its key later: it is delayed, or something of the key is due that has not
 * joined yet, and is in front of it.
 *
 * @param key expressions of the receiver, the key, and the time at which the message becomes due (left out: now)
 */
export function joinsLater(key: { receiverNo: string; orderingKey: string; availableAt?: string }): string {
  const { receiverNo, orderingKey, availableAt } = key;
  const delayed = availableAt === undefined ? "" : `${availableAt} > @now OR `;
  return `${orderingKey} IS NOT NULL AND (${delayed}EXISTS (SELECT 1 FROM dbo.messages AS w
    WHERE w.receiver_no = ${receiverNo} AND w.ordering_key = ${orderingKey} AND w.joined = 0 AND w.status = 'queued' AND w.available_at <= @now))`;
}

/** Messages that have become due and are to join their keys, in the order of `position`, as they were read. */
export const DECLARE_JOINING = `DECLARE @joining TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key ${ID} NOT NULL, held bit NOT NULL);
DECLARE @joiningRows int, @joiningNumber bigint;
`;

/**
 * Lets the messages of @joining, of which there are some, join their keys: a transaction of its own, in which the number is
 * taken while the keys are locked. Loses the race when one of them has joined or ended meanwhile. At most ARRIVALS_PER_NUMBER.
 */
export const JOIN_DUE = `SET @joiningRows = (SELECT COUNT(*) FROM @joining);
BEGIN TRANSACTION;
${joinKeys("@joining", "position", "s.position > 0")}SET @joiningNumber = NEXT VALUE FOR dbo.message_arrivals;
UPDATE m SET arrival = @joiningNumber * ${ARRIVALS_PER_NUMBER} + j.position - 1, joined = 1, held = j.held
FROM @joining AS j JOIN dbo.messages AS m ON m.arrival = j.arrival
WHERE m.joined = 0 AND m.status = 'queued'
${BY_KEY};
${raceUnless("@joiningRows")}COMMIT TRANSACTION;
INSERT INTO @deliverable (agent_no) SELECT DISTINCT j.receiver_no FROM @joining AS j WHERE j.held = 0;
`;

/** Due messages of a mailbox that have not joined, in the order of becoming due. */
export function joiningOf(receiverNo: string, limit: string): string {
  return `SELECT TOP (${limit}) m.arrival, m.receiver_no, m.ordering_key, m.available_at FROM dbo.messages AS m
  WHERE m.receiver_no = ${receiverNo} AND m.joined = 0 AND m.status = 'queued' AND m.available_at <= @now
  ORDER BY m.available_at, m.arrival`;
}

/** Mailboxes with something to join are found by a loose walk of the index; one that fills the batch is visited again. */
const JOIN_DUE_MESSAGES = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "join-due-messages",
  encode: ({ after }) => ({ after }),
  wakes: true,
  sql: sqlText(
    "join-due-messages",
    `${PROLOGUE}${DECLARE_JOINING}DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @probed int = 0, @due int = 0;
WHILE @probed < ${MAINTENANCE_BATCH_ROWS} AND @due < ${JOINS_PER_TRANSACTION}
BEGIN
  SET @next = (SELECT MIN(m.receiver_no) FROM dbo.messages AS m WHERE m.joined = 0 AND m.status = 'queued' AND m.receiver_no > @after);
  IF @next IS NULL BREAK;
  INSERT INTO @joining (arrival, receiver_no, ordering_key, held)
  SELECT o.arrival, o.receiver_no, o.ordering_key, 0 FROM (${joiningOf("@next", `${JOINS_PER_TRANSACTION} - @due`)}) AS o
  ORDER BY o.available_at, o.arrival;
  SET @due = @due + @@ROWCOUNT;
  SET @probed = @probed + 1;
  IF @due < ${JOINS_PER_TRANSACTION} SET @after = @next;
END;
SET @after = CASE WHEN @next IS NOT NULL THEN @after END;
${endIf("@due = 0", "0 AS done, @after AS next")}
${DECLARE_DELIVERABLE}${JOIN_DUE}SELECT @due AS done, @after AS next;
${SELECT_DELIVERABLE}`,
  ),
});

/** Lets what has become due join its keys, mailbox by mailbox from `after` on. */
export async function joinDueMessages(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(JOIN_DUE_MESSAGES, { after });
  return { done, next: next ?? undefined };
}
