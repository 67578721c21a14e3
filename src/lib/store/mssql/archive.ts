import { MAINTENANCE_BATCH_ROWS } from "../../limits.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import { writeArchived } from "../task-reading.ts";
import type { Step, Walked } from "../upkeep-runs.ts";
import { bigint } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson, plainJson } from "./item-text.ts";
import { newestEventsByNo, readTasksByNo, storedAttemptsByNo } from "./task-reading.ts";
import { sqlText } from "./texts.ts";
import { APPLY_COUNTS, BY_KEY, DECLARE_COUNTS, HASH, ID, KEY_VERSION, PROLOGUE, WORD } from "./transaction.ts";
import { endIf, upkeepStep } from "./upkeep-step.ts";

/** Moves finished tasks past their retention to the archive, and drops what then nobody names any more. */

/** A task takes about ten rows with it, and its documents pass through this process: up to 5 MB each. */
const TASKS_PER_TRANSACTION = 20;
/** The newest events that the archive keeps of a task: one that reported progress every second has a great many. */
const EVENTS_MAX = 1_000;

const OLD = sqlText(
  "old-tasks",
  `${PROLOGUE}SELECT TOP (${TASKS_PER_TRANSACTION}) t.task_no, t.demand_no FROM dbo.tasks AS t
WHERE t.ended_at IS NOT NULL AND t.ended_at <= @now - @retention
  AND NOT EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.depends_on = t.task_id AND d.settled = 0)
ORDER BY t.ended_at, t.task_no;
`,
);

/** Tasks with their documents, as the archive keeps them; the lists go side by side. */
interface Archived {
  taskNos: number[];
  /** JSON texts. */
  tasks: readonly string[];
  keyVersions: readonly (string | null)[];
  resultKeyVersions: readonly (string | null)[];
  assignments: readonly object[];
  events: readonly object[];
}

/** The documents of a list, each as text of its own: OPENJSON gives whole only what stands in a list of texts. */
function documents(values: readonly object[]): string[] {
  return values.map((value) => jsonText(JSON.stringify(value)));
}

function jsonText(text: string): string {
  return itemJson(JSON.parse(text));
}

/**
 * Other processes may archive the same tasks at the same time: only what this one has deleted is put into the archive. A
 * finished task does not change any more, so its documents are what they were when they were read (or its values have been
 * encrypted again meanwhile: the version beside the document is of what is in it). Its parts go with it; messages about it
 * lose the reference and keep their text.
 */
const ARCHIVE = upkeepStep<Archived, { done: number }>({
  name: "archive-tasks",
  encode: ({ taskNos, tasks, keyVersions, resultKeyVersions, assignments, events }) => ({
    taskNos,
    tasks: tasks.map(jsonText),
    keyVersions: [...keyVersions],
    resultKeyVersions: [...resultKeyVersions],
    assignments: documents(assignments),
    events: documents(events),
  }),
  wakes: false,
  sql: sqlText(
    "archive-tasks",
    `${PROLOGUE}DECLARE @old TABLE (task_no bigint NOT NULL PRIMARY KEY, task nvarchar(max) NOT NULL,
  key_version ${KEY_VERSION} NULL, result_key_version ${KEY_VERSION} NULL, assignments nvarchar(max) NOT NULL,
  events nvarchar(max) NOT NULL);
DECLARE @archived TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id ${ID} NOT NULL, status ${WORD} NOT NULL,
  supervisor_no int NOT NULL, ended_at bigint NOT NULL, attempt int NOT NULL,
  idempotency_key ${HASH} NULL, request_hash ${HASH} NOT NULL);
DECLARE @done int;
${DECLARE_COUNTS}INSERT INTO @old (task_no, task, key_version, result_key_version, assignments, events)
SELECT CAST(n.[value] AS bigint), ${plainJson("t.[value]")}, CAST(k.[value] AS varchar(64)), CAST(r.[value] AS varchar(64)),
  ${plainJson("a.[value]")}, ${plainJson("e.[value]")}
FROM OPENJSON(@items, '$[0].taskNos') AS n JOIN OPENJSON(@items, '$[0].tasks') AS t ON t.[key] = n.[key]
JOIN OPENJSON(@items, '$[0].keyVersions') AS k ON k.[key] = n.[key]
JOIN OPENJSON(@items, '$[0].resultKeyVersions') AS r ON r.[key] = n.[key]
JOIN OPENJSON(@items, '$[0].assignments') AS a ON a.[key] = n.[key] JOIN OPENJSON(@items, '$[0].events') AS e ON e.[key] = n.[key];
BEGIN TRANSACTION;
DELETE FROM dbo.tasks OUTPUT deleted.task_no, deleted.task_id, deleted.status, deleted.supervisor_no, deleted.ended_at,
  deleted.attempt, deleted.idempotency_key, deleted.request_hash
INTO @archived (task_no, task_id, status, supervisor_no, ended_at, attempt, idempotency_key, request_hash)
WHERE task_no IN (SELECT o.task_no FROM @old AS o) AND ended_at IS NOT NULL;
SET @done = (SELECT COUNT(*) FROM @archived);
INSERT INTO dbo.task_archive (task_id, status, supervisor_id, ended_at, attempt, idempotency_key, request_hash, task,
  key_version, result_key_version, assignments, events)
SELECT x.task_id, x.status, s.agent_id, x.ended_at, x.attempt, x.idempotency_key, x.request_hash, o.task,
  o.key_version, o.result_key_version, o.assignments, o.events
FROM @archived AS x JOIN @old AS o ON o.task_no = x.task_no JOIN dbo.agents AS s ON s.agent_no = x.supervisor_no;
INSERT INTO @counts (name, delta) SELECT CONCAT('tasks:', x.status), -COUNT(*) FROM @archived AS x GROUP BY x.status;
${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @done AS done;
`,
  ),
});

/**
 * Drops demands that no task has any more. Apart from the archiving, for demands come first in the order of locks; a task that
 * takes one up meanwhile holds it by a foreign key: a lost race for one of the two.
 */
const DROP_DEMANDS = upkeepStep<{ demandNos: number[] }, { done: number }>({
  name: "drop-unused-demands",
  encode: ({ demandNos }) => ({ demandNos }),
  wakes: false,
  sql: sqlText(
    "drop-unused-demands",
    `${PROLOGUE}DECLARE @unused TABLE (demand_no int NOT NULL PRIMARY KEY);
INSERT INTO @unused (demand_no)
SELECT CAST(j.[value] AS int) FROM OPENJSON(@items, '$[0].demandNos') AS j;
DELETE u FROM @unused AS u WHERE EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.demand_no = u.demand_no);
DELETE d FROM @unused AS u JOIN dbo.demands AS d ON d.demand_no = u.demand_no
${BY_KEY};
SELECT @@ROWCOUNT AS done;
`,
  ),
});

/** Archives finished tasks older than the retention whose dependents have all been told. */
export async function archiveTasks(connection: Connection): Promise<Step> {
  const retention = bigint(connection.settings.taskRetentionDays * DAY_MILLISECONDS);
  const old = (await connection.query(OLD, { retention })).rows<{ task_no: number; demand_no: number }>(0);
  if (old.length === 0) return { done: 0, more: false };
  const taskNos = old.map((row) => row.task_no);
  const [tasks, attempts, events] = await Promise.all([
    readTasksByNo(connection, taskNos),
    storedAttemptsByNo(connection, taskNos),
    newestEventsByNo(connection, taskNos, EVENTS_MAX),
  ]);
  const written = [...tasks.values()].map(writeArchived);
  const { done } = await connection.run(ARCHIVE, {
    taskNos: [...tasks.keys()],
    tasks: written.map(({ task }) => task),
    keyVersions: written.map(({ key_version }) => key_version),
    resultKeyVersions: written.map(({ result_key_version }) => result_key_version),
    assignments: [...tasks.keys()].map((taskNo) => attempts.get(taskNo) ?? []),
    events: [...tasks.keys()].map((taskNo) => (events.get(taskNo) ?? []).toReversed()),
  });
  await connection.run(DROP_DEMANDS, { demandNos: [...new Set(old.map((row) => row.demand_no))] });
  return { done, more: old.length === TASKS_PER_TRANSACTION };
}

/** Sets dropped in one transaction: each takes its capabilities and what it meets with it. */
const SETS_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;

/** An agent that takes up a set while it is dropped holds it by a foreign key: a lost race for one of the two. */
const DROP_SETS = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "drop-unused-sets",
  encode: ({ after }) => ({ after }),
  wakes: false,
  sql: sqlText(
    "drop-unused-sets",
    `${PROLOGUE}DECLARE @unused TABLE (set_no int NOT NULL PRIMARY KEY);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @done int;
INSERT INTO @unused (set_no)
SELECT TOP (${SETS_PER_TRANSACTION}) c.set_no FROM dbo.capability_sets AS c
WHERE c.set_no > @after AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = c.set_no) ORDER BY c.set_no;
SET @done = @@ROWCOUNT;
${endIf("@done = 0", "0 AS done, @next AS next")}
IF @done = ${SETS_PER_TRANSACTION} SET @next = (SELECT MAX(u.set_no) FROM @unused AS u);
BEGIN TRANSACTION;
DELETE c FROM @unused AS u JOIN dbo.capability_sets AS c ON c.set_no = u.set_no
${BY_KEY};
SET @done = @@ROWCOUNT;
DELETE c FROM @unused AS u
CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
JOIN dbo.counters AS c ON c.name = CONCAT('set:', u.set_no, k.kind)
${BY_KEY};
COMMIT TRANSACTION;
SELECT @done AS done, @next AS next;
`,
  ),
});

/** Drops capability sets that no agent has any more: each costs every assignment that it meets a look. */
export async function dropUnusedSets(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DROP_SETS, { after });
  return { done, next: next ?? undefined };
}
