/**
 * What every T-SQL batch is made of. A batch carries any number of calls of one verb ("items"), reads first, then writes in
 * the one lock order, each write naming the state it expects; whoever finds another state gives up (LOSE_RACE), and the
 * connection sends the batch again. So nothing depends on a lock that a read would have to hold.
 *
 * The lock order: channels, their members and grants; agent_loads, agents, agent_heartbeats, agent_metadata; credentials; tasks
 * (each group by number), their outcomes, attempts, dependencies, events; ordering_keys, messages, message_payloads; counters.
 * Hand-outs are transactions of their own, after the commit of the call that made room.
 */

/** Tables in the order in which a transaction writes them; those of a group in any order, each by its key. */
export const LOCK_ORDER: readonly (readonly string[])[] = [
  ["capability_sets", "set_capabilities", "demands", "demand_sets"],
  ["channels"],
  ["channel_members", "channel_grants"],
  ["agent_loads"],
  ["agents"],
  ["agent_heartbeats"],
  ["agent_metadata"],
  ["credentials"],
  ["tasks"],
  ["task_bodies", "task_outcomes", "task_attempts", "task_dependencies", "ended_dependencies", "task_events"],
  ["task_archive"],
  ["ordering_keys"],
  ["messages"],
  ["message_payloads"],
  ["message_types"],
  ["counters"],
  ["operation_answers"],
];

/** Rows are only ever added here, anywhere in a transaction: nobody waits for them, so they have no place in the order. */
export const APPEND_ONLY: readonly string[] = ["audit.entries", "audit.blocks", "audit.block_entries"];

/**
 * Byte-wise comparison: ids, names and states. Also for comparing with a column of OPENJSON, which has the collation of the
 * database (error 468 on SQL Server without it).
 */
export const BIN2 = "COLLATE Latin1_General_100_BIN2";
/** From the table variable to the table, row by row, by its key: whatever is estimated, and however small the table was then. */
export const BY_KEY = "OPTION (LOOP JOIN, FORCE ORDER)";
/** Column types for table variables and OPENJSON: the same as the tables', or an index seek becomes a scan. */
export const ID = `varchar(128) ${BIN2}`;
export const TYPE = `varchar(64) ${BIN2}`;
export const HASH = `varchar(64) ${BIN2}`;
/** A state, role, outcome, settlement or error code. */
export const WORD = `varchar(24) ${BIN2}`;
export const COUNTER = `varchar(48) ${BIN2}`;
/** The version of an encryption key. */
export const KEY_VERSION = `varchar(64) ${BIN2}`;
/** A W3C traceparent. */
export const TRACEPARENT = `varchar(55) ${BIN2}`;

/** Milliseconds that a statement waits for a lock before it fails with 1222, which is tried again. */
const LOCK_TIMEOUT_MILLISECONDS = 5_000;

/** The column of the last recordset of a batch that lost a race: the state that a write expected has changed since it was read. */
export const LOST_RACE = "lost_race";

/** (Milliseconds are added after the conversion: DATEADD takes an int, 24.8 days of them.) */
const SERVER_TIME = "DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset";

/** The beginning of every batch. `@now` is the time at which it begins, or of READ_TIME; `@clockOffset` is 0 outside tests. */
export const PROLOGUE = `SET NOCOUNT ON;
SET XACT_ABORT ON;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCK_TIMEOUT ${LOCK_TIMEOUT_MILLISECONDS};
DECLARE @now bigint = ${SERVER_TIME};
`;

/**
 * Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What others have made
 * due meanwhile is not due at the time at which the batch began, and would be passed over by both.
 */
export const READ_TIME = `SET @now = ${SERVER_TIME};
`;

/**
 * Gives up: undoes the transaction, if there is one, and says so. Not by THROW: a race is no fault to be reported as an error
 * of severity 16 (some servers do not even count right in the session that an error has passed through).
 */
export const LOSE_RACE = `BEGIN
  IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
  SELECT 1 AS ${LOST_RACE};
  RETURN;
END;
`;

/** Loses the race unless the statement before it changed exactly `expected` rows. */
export function raceUnless(expected: string): string {
  return `IF @@ROWCOUNT <> ${expected}\n${LOSE_RACE}`;
}

/** Additions to counters, collected until the end of the transaction. `name` as in APPLY_COUNTS. */
export const DECLARE_COUNTS = `DECLARE @counts TABLE (name ${COUNTER} NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
`;

/** Adds `@accepted` messages to the second in which they were accepted, in a row that only this session writes. */
export const COUNT_ACCEPTED = `IF @accepted > 0
BEGIN
  SET @second = CONCAT('accepted:', @now / 1000);
  UPDATE dbo.counters SET value = value + @accepted WHERE name = @second AND slot = @@SPID;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, @accepted);
  SET @accepted = 0;
END;
`;

/**
 * The last statements of a transaction that counts: adds what @counts holds to the slot of this session, one row per name, in
 * the order of the names, and @accepted. A row that is missed loses the race: a sum that is wrong once is wrong for ever, and
 * there are servers whose join misses a row that another session has just changed. Names: `messages:<status>`,
 * `tasks:<status>`, `tasks:assigned_once`, `tasks:completed_total`, `tasks:failed_total`, `agents:workers`,
 * `mailbox:<agent_no>`, `set:<set_no>:workers|active|free`.
 */
export const APPLY_COUNTS = `UPDATE c SET value = c.value + d.delta
FROM (SELECT name, SUM(delta) AS delta FROM @counts GROUP BY name HAVING SUM(delta) <> 0) AS d
JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
${raceUnless("(SELECT COUNT(*) FROM (SELECT n.name FROM @counts AS n GROUP BY n.name HAVING SUM(n.delta) <> 0) AS e)")}DELETE FROM @counts;
${COUNT_ACCEPTED}`;

/** Agents for whom a message has become deliverable. */
export const DECLARE_DELIVERABLE = "DECLARE @deliverable TABLE (agent_no int NOT NULL);\n";

/** The second recordset of every batch that writes messages: who may be woken from a long poll. */
export const SELECT_DELIVERABLE =
  "SELECT DISTINCT a.agent_id FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;\n";
