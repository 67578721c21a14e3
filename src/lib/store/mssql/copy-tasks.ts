import type { CopiedTask } from "../copy/copied-rows.ts";
import { USAGE_COLUMNS } from "../rules/usage.ts";
import { copiedTable, JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import {
  APPLY_COUNTS,
  CHANGE_LOADS,
  DECLARE_COUNTS,
  DECLARE_DEMANDS,
  DECLARE_LOADS,
  INTERN_DEMANDS,
} from "./copy-parts.ts";
import { distinctSets, hashed, SET } from "./copy-registry.ts";
import { BY_KEY, HASH, ID, KEY_VERSION, TRACEPARENT, WORD } from "./transaction.ts";

/** Tasks as a copy brings them: each with its body, outcome, attempts and dependencies, in the order of their creation. */

const TASK = {
  task_id: `${ID} NOT NULL`,
  supervisor_id: ID,
  task_type: ID,
  priority: "tinyint",
  status: WORD,
  version: "bigint",
  capabilities_hash: HASH,
  assign_to_id: ID,
  agent_id: ID,
  attempt: "int",
  last_outcome: WORD,
  retries_used: "int",
  max_retries: "int",
  timeout_milliseconds: "bigint",
  start_timeout_milliseconds: "bigint",
  unmet_dependencies: "int",
  dependents: "int",
  cancel_requested: "bit",
  percent: "float",
  created_at: "bigint",
  available_at: "bigint",
  assigned_at: "bigint",
  started_at: "bigint",
  deadline_at: "bigint",
  silent_at: "bigint",
  ended_at: "bigint",
  parent_task_id: ID,
  idempotency_key: HASH,
  request_hash: HASH,
  description: TEXT,
  parameters: JSON_TEXT,
  key_version: KEY_VERSION,
  traceparent: TRACEPARENT,
  preferred_capabilities: JSON_TEXT,
  has_outcome: "bit",
  note: TEXT,
  result: JSON_TEXT,
  result_key_version: KEY_VERSION,
  error: TEXT,
  because_of: ID,
  expires_at: "bigint",
  gate: "bit",
  suspensions: "int",
  workflow_id: ID,
  workflow_place: "int",
  ref: ID,
  stops: "bit",
  parent_id: ID,
  child_types: JSON_TEXT,
  descendants: "int",
};

const ATTEMPT = {
  task_id: `${ID} NOT NULL`,
  attempt: "int",
  agent_id: ID,
  assigned_at: "bigint",
  ended_at: "bigint",
  outcome: WORD,
  answer: JSON_TEXT,
  explanation: JSON_TEXT,
};

const DEPENDENCY = {
  task_id: `${ID} NOT NULL`,
  place: "int",
  depends_on: ID,
  condition: WORD,
  settled: "bit",
  ref: ID,
};

const USAGE = {
  task_id: `${ID} NOT NULL`,
  attempt: "int",
  provider: ID,
  model: ID,
  ...Object.fromEntries(Object.values(USAGE_COLUMNS).map((column) => [column, "bigint"])),
};

/** Columns by which a task is known, from whichever table it is in. */
const FOUND = `0 AS archived, t.task_id, s.agent_id AS supervisor_id, t.request_hash, t.status, t.version, t.attempt, a.agent_id,
  t.retries_used, t.cancel_requested, t.created_at, t.available_at, t.assigned_at, t.deadline_at, t.ended_at,
  t.unmet_dependencies, t.[percent]`;
const FOUND_AGENTS = `JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no`;
const FOUND_ARCHIVED = `1 AS archived, t.task_id, t.supervisor_id, t.request_hash, t.status, NULL AS version, t.attempt, NULL AS agent_id,
  NULL AS retries_used, NULL AS cancel_requested, NULL AS created_at, NULL AS available_at, NULL AS assigned_at,
  NULL AS deadline_at, t.ended_at, NULL AS unmet_dependencies, NULL AS [percent]`;
const OTHER_OF_KEY = `ON t.idempotency_key = i.idempotency_key AND t.task_id <> i.id AND t.idempotency_key IS NOT NULL`;

/** What the target has under the ids and idempotency keys of @asked, among its tasks or in its archive. */
export const FIND_TASKS = `SELECT i.id AS asked, ${FOUND} FROM @asked AS i JOIN dbo.tasks AS t ON t.task_id = i.id ${FOUND_AGENTS}
UNION ALL
SELECT i.id AS asked, ${FOUND} FROM @asked AS i JOIN dbo.tasks AS t ${OTHER_OF_KEY} ${FOUND_AGENTS}
UNION ALL
SELECT i.id AS asked, ${FOUND_ARCHIVED} FROM @asked AS i JOIN dbo.task_archive AS t ON t.task_id = i.id
UNION ALL
SELECT i.id AS asked, ${FOUND_ARCHIVED} FROM @asked AS i JOIN dbo.task_archive AS t ${OTHER_OF_KEY}`;

/** Numbers in the order of the page: a sequence gives them to the rows of one statement in any order. */
const NUMBER_TASKS = `DECLARE @numbers TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @numbered TABLE (position int NOT NULL PRIMARY KEY, task_no bigint NOT NULL, task_id ${ID} NOT NULL UNIQUE);
INSERT INTO @numbers (task_no) SELECT NEXT VALUE FOR dbo.task_numbers FROM @rows AS r;
INSERT INTO @numbered (position, task_no, task_id)
SELECT r.position, n.task_no, r.task_id
FROM (SELECT x.position, x.task_id, ROW_NUMBER() OVER (ORDER BY x.position) AS place FROM @rows AS x) AS r
JOIN (SELECT x.task_no, ROW_NUMBER() OVER (ORDER BY x.task_no) AS place FROM @numbers AS x) AS n ON n.place = r.place;
`;

const INSERT_TASKS = `INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, version, demand_no, assign_to_no, agent_no,
  attempt, last_outcome, retries_used, max_retries, timeout_milliseconds, start_timeout_milliseconds, unmet_dependencies, dependents, cancel_requested, [percent],
  created_at, available_at, assigned_at, started_at, deadline_at, silent_at, ended_at, parent_task_id, idempotency_key, request_hash,
  expires_at, gate, suspensions, workflow_no, stops)
SELECT n.task_no, r.task_id, s.agent_no, r.task_type, r.priority, r.status, r.version, d.demand_no, w.agent_no, a.agent_no,
  r.attempt, r.last_outcome, r.retries_used, r.max_retries, r.timeout_milliseconds, r.start_timeout_milliseconds, r.unmet_dependencies, r.dependents, r.cancel_requested,
  r.[percent], r.created_at, r.available_at, r.assigned_at, r.started_at, r.deadline_at, r.silent_at, r.ended_at, r.parent_task_id,
  r.idempotency_key, r.request_hash, r.expires_at, r.gate, r.suspensions, f.workflow_no, r.stops
FROM @rows AS r JOIN @numbered AS n ON n.position = r.position
LEFT JOIN dbo.agents AS s ON s.agent_id = r.supervisor_id
LEFT JOIN dbo.demands AS d ON d.capabilities_hash = r.capabilities_hash
LEFT JOIN dbo.agents AS w ON w.agent_id = r.assign_to_id
LEFT JOIN dbo.agents AS a ON a.agent_id = r.agent_id
LEFT JOIN dbo.workflows AS f ON f.workflow_id = r.workflow_id;
SET @added = @@ROWCOUNT;
UPDATE t SET parent_no = p.task_no
FROM @rows AS r JOIN dbo.tasks AS t ON t.task_id = r.task_id JOIN dbo.tasks AS p ON p.task_id = r.parent_id
${BY_KEY};
`;

const INSERT_PARTS = `INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities, child_types, descendants)
SELECT n.task_no, r.description, r.parameters, r.key_version, r.traceparent, r.preferred_capabilities, r.child_types, r.descendants
FROM @rows AS r JOIN @numbered AS n ON n.position = r.position;
INSERT INTO dbo.task_outcomes (task_no, note, result, key_version, error, because_of)
SELECT n.task_no, r.note, r.result, r.result_key_version, r.error, r.because_of FROM @rows AS r JOIN @numbered AS n ON n.position = r.position WHERE r.has_outcome = 1;
INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, ended_at, outcome, answer, explanation)
SELECT n.task_no, x.attempt, a.agent_no, x.assigned_at, x.ended_at, x.outcome, x.answer, x.explanation
FROM @attempts AS x JOIN @numbered AS n ON n.task_id = x.task_id LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id;
INSERT INTO dbo.task_dependencies (task_no, position, depends_on, condition, settled, ref)
SELECT n.task_no, x.place, x.depends_on, x.condition, x.settled, x.ref FROM @dependencies AS x JOIN @numbered AS n ON n.task_id = x.task_id;
INSERT INTO dbo.task_usage (task_no, attempt, provider, model, ${Object.values(USAGE_COLUMNS).join(", ")})
SELECT n.task_no, x.attempt, x.provider, x.model, ${Object.values(USAGE_COLUMNS)
  .map((column) => `x.${column}`)
  .join(", ")} FROM @usage AS x JOIN @numbered AS n ON n.task_id = x.task_id;
INSERT INTO dbo.workflow_tasks (workflow_no, position, task_no, ref)
SELECT f.workflow_no, r.workflow_place, n.task_no, r.ref FROM @rows AS r JOIN @numbered AS n ON n.position = r.position
JOIN dbo.workflows AS f ON f.workflow_id = r.workflow_id;
`;

/** A task that was ever assigned, completed or failed counts for good, as it did where it comes from. */
const COUNT_TASKS = `INSERT INTO @counts (name, delta)
SELECT c.name, 1 FROM @rows AS r
CROSS APPLY (VALUES (CONCAT('tasks:', r.status), 1), ('tasks:assigned_once', CASE WHEN r.attempt > 0 THEN 1 ELSE 0 END),
  (CONCAT('tasks:', r.status, '_total'), CASE WHEN r.status IN ('completed', 'failed') THEN 1 ELSE 0 END),
  ('tasks:not_needed_total', CASE WHEN r.status = 'cancelled' AND r.because_of IS NOT NULL AND r.error = N'NOT_NEEDED' THEN 1 ELSE 0 END)) AS c (name, counts)
WHERE c.counts = 1;
INSERT INTO @counts (name, delta)
SELECT CASE WHEN x.outcome = 'failed' THEN 'tasks:attempts_failed_total' ELSE 'tasks:attempts_lost_total' END, 1 FROM @attempts AS x
WHERE x.outcome IN ('failed', 'timed_out', 'agent_inactive', 'released');
`;

export const copyTasks = copiedTable<CopiedTask>({
  name: "copy-tasks",
  idOf: (row) => row.task_id,
  idempotencyKeyOf: (row) => row.idempotency_key,
  find: FIND_TASKS,
  encode: (rows) => ({
    ...writePage(
      "rows",
      rows.map(({ attempts: _attempts, dependencies: _dependencies, usage: _usage, ...task }) => hashed(task)),
      TASK,
    ),
    ...writePage(
      "attempts",
      rows.flatMap(({ task_id, attempts }) => attempts.map((attempt) => ({ task_id, ...attempt }))),
      ATTEMPT,
    ),
    ...writePage(
      "dependencies",
      rows.flatMap(({ task_id, dependencies }) =>
        dependencies.map(({ position, ...dependency }) => ({ task_id, place: position, ...dependency })),
      ),
      DEPENDENCY,
    ),
    ...writePage(
      "usage",
      rows.flatMap(({ task_id, usage }) => usage.map((used) => ({ task_id, ...used }))),
      USAGE,
    ),
    ...writePage("demands", distinctSets(rows), SET),
  }),
  add: `${DECLARE_COUNTS}${DECLARE_LOADS}${DECLARE_DEMANDS}${readPage("@demands_read", "demands", SET)}INSERT INTO @demands (capabilities_hash, capabilities)
SELECT d.capabilities_hash, d.capabilities FROM @demands_read AS d;
${INTERN_DEMANDS}${readPage("@rows", "rows", TASK)}
DELETE r FROM @rows AS r JOIN dbo.tasks AS t ON t.task_id = r.task_id;
${readPage("@attempts", "attempts", ATTEMPT)}${readPage("@dependencies", "dependencies", DEPENDENCY)}${readPage("@usage", "usage", USAGE)}${NUMBER_TASKS}
INSERT INTO @loads (agent_no, tasks, completed, failed, milliseconds)
SELECT a.agent_no, COUNT(*), 0, 0, 0 FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id
WHERE r.status IN ('assigned', 'running') GROUP BY a.agent_no;
BEGIN TRANSACTION;
${CHANGE_LOADS}${INSERT_TASKS}${INSERT_PARTS}${COUNT_TASKS}${APPLY_COUNTS}COMMIT TRANSACTION;
`,
});
