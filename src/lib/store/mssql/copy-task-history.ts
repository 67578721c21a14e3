import { parseAttempts } from "../archived-attempts.ts";
import type { CopiedArchivedTask, CopiedEndedDependency, CopiedEvent, CopiedUsageHour } from "../copy/copied-rows.ts";
import { FAILED_OUTCOMES, LOST_OUTCOMES, RELEASED_OUTCOMES } from "../rules/task-outcomes.ts";
import { USAGE_COLUMNS } from "../rules/usage.ts";
import { copiedTable, JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import { APPLY_COUNTS, DECLARE_COUNTS } from "./copy-parts.ts";
import { FIND_TASKS } from "./copy-tasks.ts";
import { HASH, ID, KEY_VERSION, WORD } from "./transaction.ts";

/** What belongs to tasks and is copied after them: their events, what their dependents have not been told, the archive. */

const EVENT = {
  task_id: `${ID} NOT NULL`,
  place: "int",
  event: WORD,
  at: "bigint",
  attempt: "int",
  agent_id: ID,
  detail: TEXT,
};

/** Apart from their tasks, since one may have 100,000. They have no ids: those of a task that are there are its first ones. */
export const copyTaskEvents = copiedTable<CopiedEvent>({
  name: "copy-task-events",
  idOf: (row) => row.task_id,
  encode: (rows) => writePage("rows", rows, EVENT),
  add: `${readPage("@rows", "rows", EVENT)}DECLARE @there TABLE (task_id ${ID} NOT NULL PRIMARY KEY, task_no bigint NOT NULL, events int NOT NULL);
INSERT INTO @there (task_id, task_no, events)
SELECT t.task_id, t.task_no, (SELECT COUNT(*) FROM dbo.task_events AS e WHERE e.task_no = t.task_no)
FROM (SELECT DISTINCT r.task_id FROM @rows AS r) AS x JOIN dbo.tasks AS t ON t.task_id = x.task_id;
BEGIN TRANSACTION;
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
SELECT h.task_no, r.event, r.at, r.attempt, a.agent_no, r.detail
FROM @rows AS r JOIN @there AS h ON h.task_id = r.task_id LEFT JOIN dbo.agents AS a ON a.agent_id = r.agent_id
WHERE r.place > h.events ORDER BY r.position;
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});

const ENDED = { task_id: `${ID} NOT NULL`, completed: "bit", not_needed: "bit" };

export const copyEndedDependencies = copiedTable<CopiedEndedDependency>({
  name: "copy-ended-dependencies",
  idOf: (row) => row.task_id,
  find: "SELECT i.id AS asked, d.completed, d.not_needed FROM @asked AS i JOIN dbo.ended_dependencies AS d ON d.task_id = i.id",
  encode: (rows) => writePage("rows", rows, ENDED),
  add: `${readPage("@rows", "rows", ENDED)}BEGIN TRANSACTION;
INSERT INTO dbo.ended_dependencies (task_id, completed, not_needed)
SELECT r.task_id, r.completed, r.not_needed FROM @rows AS r
WHERE NOT EXISTS (SELECT 1 FROM dbo.ended_dependencies AS d WHERE d.task_id = r.task_id);
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});

const ARCHIVED = {
  task_id: `${ID} NOT NULL`,
  status: WORD,
  supervisor_id: ID,
  ended_at: "bigint",
  attempt: "int",
  idempotency_key: HASH,
  request_hash: HASH,
  task: JSON_TEXT,
  key_version: KEY_VERSION,
  result_key_version: KEY_VERSION,
  assignments: JSON_TEXT,
  events: JSON_TEXT,
  attempts_failed: "int",
  attempts_lost: "int",
};

/** The row with what its attempts count for good. */
function counted(row: CopiedArchivedTask) {
  const outcomes = parseAttempts(row.assignments).map(({ outcome }) => outcome ?? "");
  const count = (names: readonly string[]) => outcomes.filter((outcome) => names.includes(outcome)).length;
  return {
    ...row,
    attempts_failed: count(FAILED_OUTCOMES),
    attempts_lost: count([...LOST_OUTCOMES, ...RELEASED_OUTCOMES]),
  };
}

export const copyArchivedTasks = copiedTable<CopiedArchivedTask>({
  name: "copy-archived-tasks",
  idOf: (row) => row.task_id,
  idempotencyKeyOf: (row) => row.idempotency_key,
  find: FIND_TASKS,
  encode: (rows) => writePage("rows", rows.map(counted), ARCHIVED),
  add: `${DECLARE_COUNTS}${readPage("@rows", "rows", ARCHIVED)}DELETE r FROM @rows AS r JOIN dbo.task_archive AS t ON t.task_id = r.task_id;
BEGIN TRANSACTION;
INSERT INTO dbo.task_archive (task_id, status, supervisor_id, ended_at, attempt, idempotency_key, request_hash, task,
  key_version, result_key_version, assignments, events)
SELECT r.task_id, r.status, r.supervisor_id, r.ended_at, r.attempt, r.idempotency_key, r.request_hash, r.task,
  r.key_version, r.result_key_version, r.assignments, r.events
FROM @rows AS r;
SET @added = @@ROWCOUNT;
INSERT INTO @counts (name, delta)
SELECT c.name, 1 FROM @rows AS r
CROSS APPLY (VALUES ('tasks:assigned_once', CASE WHEN r.attempt > 0 THEN 1 ELSE 0 END),
  (CONCAT('tasks:', r.status, '_total'), CASE WHEN r.status IN ('completed', 'failed') THEN 1 ELSE 0 END)) AS c (name, counts)
WHERE c.counts = 1;
INSERT INTO @counts (name, delta)
SELECT c.name, c.counts FROM @rows AS r
CROSS APPLY (VALUES ('tasks:attempts_failed_total', r.attempts_failed), ('tasks:attempts_lost_total', r.attempts_lost)) AS c (name, counts)
WHERE c.counts > 0;
${APPLY_COUNTS}COMMIT TRANSACTION;
`,
});

const USAGE_KEY = ["hour", "agent_id", "task_type", "supervisor_id", "provider", "model"] as const;
const USAGE_HOUR = {
  ...Object.fromEntries(USAGE_KEY.map((column) => [column, column === "hour" ? "bigint" : `${ID} NOT NULL`])),
  ...Object.fromEntries(Object.values(USAGE_COLUMNS).map((column) => [column, "float"])),
};
const COUNTED = Object.values(USAGE_COLUMNS);

/** Hours come with what they add to all that was ever used. */
export const copyUsageHours = copiedTable<CopiedUsageHour>({
  name: "copy-usage-hours",
  idOf: (row) => USAGE_KEY.map((column) => row[column]).join(" "),
  encode: (rows) => writePage("rows", rows, USAGE_HOUR),
  add: `${readPage("@rows", "rows", USAGE_HOUR)}DELETE r FROM @rows AS r JOIN dbo.usage_hours AS h ON ${USAGE_KEY.map((column) => `h.${column} = r.${column}`).join(" AND ")};
BEGIN TRANSACTION;
INSERT INTO dbo.usage_hours (${[...USAGE_KEY, ...COUNTED].join(", ")})
SELECT ${[...USAGE_KEY, ...COUNTED].map((column) => `r.${column}`).join(", ")} FROM @rows AS r;
SET @added = @@ROWCOUNT;
UPDATE e SET ${COUNTED.map((column) => `${column} = e.${column} + d.${column}`).join(", ")}
FROM (SELECT ${COUNTED.map((column) => `SUM(x.${column}) AS ${column}`).join(", ")} FROM @rows AS x HAVING COUNT(*) > 0) AS d
JOIN dbo.usage_totals AS e ON e.slot = 0;
COMMIT TRANSACTION;
`,
});
