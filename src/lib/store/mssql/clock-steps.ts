import { MAINTENANCE_BATCH_ROWS } from "../../limits.ts";
import { CHANNEL_HEARTBEAT_AT } from "../channel-reading.ts";
import {
  AHEAD_MILLISECONDS,
  type Correction,
  type CorrectionPosition,
  LEASE_END_MAX_MILLISECONDS,
  MESSAGE_DUE_MAX_MILLISECONDS,
  nextCorrection,
  TASK_DUE_MAX_MILLISECONDS,
} from "../clock-steps.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";
import { BY_KEY, PROLOGUE } from "./transaction.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** Finds and corrects times that the server's clock has left in the future: after a fail-over, or where it is set by hand. */

/** The first second of the rate that no clock should have reached. */
const FIRST_AHEAD = `CONCAT('accepted:', (@now + ${AHEAD_MILLISECONDS}) / 1000)`;

/** Sets @ahead to 1 when something was recorded more than a minute ahead. Two seeks. */
export const FIND_CLOCK_STEP = `SELECT TOP (1) @ahead = 1 FROM dbo.counters AS c WHERE c.name > ${FIRST_AHEAD} AND c.name < 'accepted;';
SELECT TOP (1) @ahead = 1 FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.last_heartbeat_at > @now + ${AHEAD_MILLISECONDS} AND h.last_heartbeat_at < ${CHANNEL_HEARTBEAT_AT};
`;

const ahead = (column: string) => `${column} > @now + ${AHEAD_MILLISECONDS}`;
/** For the SET of an UPDATE: now, where the column lies ahead. */
const past = (alias: string, column: string) =>
  `${column} = CASE WHEN ${ahead(`${alias}.${column}`)} THEN @now ELSE ${alias}.${column} END`;
const pasts = (alias: string, columns: readonly string[]) => columns.map((column) => past(alias, column)).join(", ");
const anyAhead = (alias: string, columns: readonly string[]) =>
  columns.map((column) => ahead(`${alias}.${column}`)).join(" OR ");

interface Walk {
  table: CorrectionPosition["table"];
  number: string;
  type: string;
  /** After the first statement, whose rows are counted, each adds to @done. */
  updates: readonly string[];
  last?: string;
}

type CorrectBatch = Batch<{ after: number }, { done: number; next: number | null }>;

/** The numbers of a page are read first; the rows are then updated by key. */
function walk({ table, number, type, updates, last = "" }: Walk): CorrectBatch {
  return upkeepStep<{ after: number }, { done: number; next: number | null }>({
    name: `correct-${table}`,
    encode: ({ after }) => ({ after }),
    wakes: false,
    sql: sqlText(
      `correct-${table}`,
      `${PROLOGUE}DECLARE @page TABLE (no ${type} NOT NULL PRIMARY KEY);
DECLARE @after ${type} = JSON_VALUE(@items, '$[0].after'), @next ${type}, @read int, @done int = 0;
INSERT INTO @page (no)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) x.${number} FROM dbo.${table} AS x WHERE x.${number} > @after ORDER BY x.${number};
SET @read = @@ROWCOUNT;
IF @read = ${MAINTENANCE_BATCH_ROWS} SET @next = (SELECT MAX(p.no) FROM @page AS p);
BEGIN TRANSACTION;
${updates.map((update) => `${update}${BY_KEY};\nSET @done = @done + @@ROWCOUNT;\n`).join("")}COMMIT TRANSACTION;
${last}SELECT @done AS done, @next AS next;
`,
    ),
  });
}

const MESSAGE_DUE_AHEAD = `m.available_at > @now + ${MESSAGE_DUE_MAX_MILLISECONDS}`;
const LEASE_AHEAD = `m.lease_expires_at > @now + ${LEASE_END_MAX_MILLISECONDS}`;
/** A message without a delay is due when it was accepted, and a time to live counts from then. */
const MESSAGES = walk({
  table: "messages",
  number: "arrival",
  type: "bigint",
  updates: [
    `UPDATE m SET available_at = CASE WHEN (${ahead("m.accepted_at")} AND m.available_at = m.accepted_at) OR ${MESSAGE_DUE_AHEAD}
    THEN @now ELSE m.available_at END,
  expires_at = CASE WHEN ${ahead("m.accepted_at")} THEN m.expires_at - (m.accepted_at - @now) ELSE m.expires_at END,
  lease_expires_at = CASE WHEN ${LEASE_AHEAD} THEN @now ELSE m.lease_expires_at END,
  ${pasts("m", ["accepted_at", "ended_at"])}
FROM @page AS p JOIN dbo.messages AS m ON m.arrival = p.no
WHERE ${anyAhead("m", ["accepted_at", "ended_at"])} OR ${MESSAGE_DUE_AHEAD} OR ${LEASE_AHEAD}
`,
  ],
});

const TASK_TIMES = ["created_at", "assigned_at", "started_at", "ended_at"];
const TASK_DUE_AHEAD = `(t.status = 'pending' AND t.available_at > @now + ${TASK_DUE_MAX_MILLISECONDS})`;
const TASKS = walk({
  table: "tasks",
  number: "task_no",
  type: "bigint",
  updates: [
    `UPDATE t SET available_at = CASE WHEN (${ahead("t.created_at")} AND t.available_at = t.created_at) OR ${TASK_DUE_AHEAD}
    THEN @now ELSE t.available_at END,
  deadline_at = CASE WHEN ${ahead("t.assigned_at")} THEN @now + t.timeout_milliseconds ELSE t.deadline_at END,
  ${pasts("t", TASK_TIMES)}
FROM @page AS p JOIN dbo.tasks AS t ON t.task_no = p.no
WHERE ${anyAhead("t", TASK_TIMES)} OR ${TASK_DUE_AHEAD}
`,
    `UPDATE x SET ${pasts("x", ["assigned_at", "ended_at"])}
FROM @page AS p JOIN dbo.task_attempts AS x ON x.task_no = p.no
WHERE ${anyAhead("x", ["assigned_at", "ended_at"])}
`,
    `UPDATE e SET at = @now
FROM @page AS p JOIN dbo.task_events AS e ON e.task_no = p.no
WHERE ${ahead("e.at")}
`,
  ],
});

/** Seconds forgotten at once: a clock that was ahead for longer is found again by the next sweep. */
const RATES_AHEAD_MAX = 100_000;
const AGENT_TIMES = ["registered_at", "status_changed_at"];
/** The last step forgets the rate's seconds that lie ahead. */
const AGENTS = walk({
  table: "agents",
  number: "agent_no",
  type: "int",
  updates: [
    `UPDATE l SET last_assigned_at = @now
FROM @page AS p JOIN dbo.agent_loads AS l ON l.agent_no = p.no
WHERE ${ahead("l.last_assigned_at")}
`,
    `UPDATE a SET ${pasts("a", AGENT_TIMES)}
FROM @page AS p JOIN dbo.agents AS a ON a.agent_no = p.no
WHERE ${anyAhead("a", AGENT_TIMES)}
`,
    `UPDATE h SET last_heartbeat_at = @now
FROM @page AS p JOIN dbo.agent_heartbeats AS h ON h.agent_no = p.no
WHERE ${ahead("h.last_heartbeat_at")} AND h.last_heartbeat_at < ${CHANNEL_HEARTBEAT_AT}
`,
  ],
  last: `IF @next IS NULL DELETE TOP (${RATES_AHEAD_MAX}) FROM dbo.counters WHERE name > ${FIRST_AHEAD} AND name < 'accepted;';
`,
});

const WALKS: Readonly<Record<CorrectionPosition["table"], CorrectBatch>> = {
  messages: MESSAGES,
  tasks: TASKS,
  agents: AGENTS,
};

/** Corrects the next rows of a walk. */
export async function correctTimes(connection: Connection, { table, after }: CorrectionPosition): Promise<Correction> {
  const { done, next } = await connection.run(WALKS[table], { after });
  return { corrected: done, next: nextCorrection(table, next ?? undefined) };
}
