import type { CopiedArchivedValue, CopiedSchedule, CopiedWait, CopiedWorkflow } from "../copy/copied-waiting.ts";
import { copiedTable, JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import { HASH, ID, KEY_VERSION, WORD } from "./transaction.ts";

/** Work that waits, as a copy brings it: workflows before their tasks, and behind the tasks what these wait for. */

const WORKFLOW = {
  workflow_id: `${ID} NOT NULL`,
  supervisor_id: ID,
  stop_on_failure: "bit",
  notify: WORD,
  status: WORD,
  version: "bigint",
  open_tasks: "int",
  completed: "int",
  failed: "int",
  cancelled: "int",
  not_needed: "int",
  stopped: "int",
  created_at: "bigint",
  ended_at: "bigint",
  idempotency_key: HASH,
  request_hash: HASH,
};

const FOUND_WORKFLOW = `w.workflow_id, w.request_hash, w.status, w.version, w.open_tasks`;

/** Their numbers are those of tasks, and in the order of the page: a sequence gives them to the rows of one statement in any order. */
export const copyWorkflows = copiedTable<CopiedWorkflow>({
  name: "copy-workflows",
  idOf: (row) => row.workflow_id,
  idempotencyKeyOf: (row) => row.idempotency_key,
  find: `SELECT i.id AS asked, ${FOUND_WORKFLOW} FROM @asked AS i JOIN dbo.workflows AS w ON w.workflow_id = i.id
UNION ALL
SELECT i.id AS asked, ${FOUND_WORKFLOW} FROM @asked AS i JOIN dbo.workflows AS w ON w.idempotency_key = i.idempotency_key
WHERE i.idempotency_key IS NOT NULL AND w.idempotency_key IS NOT NULL AND w.workflow_id <> i.id`,
  encode: (rows) => writePage("rows", rows, WORKFLOW),
  add: `${readPage("@rows", "rows", WORKFLOW)}
DELETE r FROM @rows AS r JOIN dbo.workflows AS w ON w.workflow_id = r.workflow_id;
DECLARE @numbers TABLE (workflow_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @numbers (workflow_no) SELECT NEXT VALUE FOR dbo.task_numbers FROM @rows AS r;
BEGIN TRANSACTION;
INSERT INTO dbo.workflows (workflow_no, workflow_id, supervisor_no, stop_on_failure, notify, status, version, open_tasks, completed, failed,
  cancelled, not_needed, stopped, created_at, ended_at, idempotency_key, request_hash, operation_id)
SELECT n.workflow_no, r.workflow_id, s.agent_no, r.stop_on_failure, r.notify, r.status, r.version, r.open_tasks, r.completed, r.failed,
  r.cancelled, r.not_needed, r.stopped, r.created_at, r.ended_at, r.idempotency_key, r.request_hash, NEWID()
FROM (SELECT x.*, ROW_NUMBER() OVER (ORDER BY x.position) AS place FROM @rows AS x) AS r
JOIN (SELECT x.workflow_no, ROW_NUMBER() OVER (ORDER BY x.workflow_no) AS place FROM @numbers AS x) AS n ON n.place = r.place
LEFT JOIN dbo.agents AS s ON s.agent_id = r.supervisor_id;
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});

const WAIT = {
  task_id: `${ID} NOT NULL`,
  unanswered: "int",
  resumed_by: WORD,
  parent_ended: "bit",
  reopened: "bit",
};

const QUESTION = {
  task_id: `${ID} NOT NULL`,
  attempt: "int",
  asked_version: "bigint",
  state: WORD,
  asked_at: "bigint",
  timeout_milliseconds: "bigint",
  expires_at: "bigint",
  has_default: "bit",
  default_rejects: "bit",
  answer_hash: HASH,
  answered_by: ID,
  answered_at: "bigint",
};

const ANSWERER = { task_id: `${ID} NOT NULL`, attempt: "int", agent_id: ID, asked: "bit", open: "bit" };
const VALUE = { task_id: `${ID} NOT NULL`, name: WORD, value: JSON_TEXT, key_version: KEY_VERSION };

const partsOf = <Part extends object>(rows: readonly CopiedWait[], parts: (row: CopiedWait) => readonly Part[]) =>
  rows.flatMap((row) => parts(row).map((part) => ({ task_id: row.task_id, ...part })));

/** A row comes as a whole: one of whose parts is there is there. */
export const copyWaits = copiedTable<CopiedWait>({
  name: "copy-waits",
  idOf: (row) => row.task_id,
  encode: (rows) => ({
    ...writePage(
      "rows",
      rows.map(({ questions: _questions, answerers: _answerers, kept_values: _values, ...wait }) => wait),
      WAIT,
    ),
    ...writePage(
      "questions",
      partsOf(rows, ({ questions }) => questions),
      QUESTION,
    ),
    ...writePage(
      "answerers",
      partsOf(rows, ({ answerers }) => answerers),
      ANSWERER,
    ),
    ...writePage(
      "kept",
      partsOf(rows, ({ kept_values: values }) => values),
      VALUE,
    ),
  }),
  add: `${readPage("@rows", "rows", WAIT)}${readPage("@questions", "questions", QUESTION)}${readPage("@answerers", "answerers", ANSWERER)}${readPage("@kept", "kept", VALUE)}
DECLARE @there TABLE (task_id ${ID} NOT NULL PRIMARY KEY, task_no bigint NOT NULL);
INSERT INTO @there (task_id, task_no) SELECT t.task_id, t.task_no FROM @rows AS r JOIN dbo.tasks AS t ON t.task_id = r.task_id
WHERE NOT EXISTS (SELECT 1 FROM dbo.task_suspensions AS u WHERE u.task_no = t.task_no)
  AND NOT EXISTS (SELECT 1 FROM dbo.task_questions AS q WHERE q.task_no = t.task_no)
  AND NOT EXISTS (SELECT 1 FROM dbo.reopened_tasks AS o WHERE o.task_id = t.task_id);
SET @added = @@ROWCOUNT;
BEGIN TRANSACTION;
INSERT INTO dbo.task_suspensions (task_no, unanswered, resumed_by)
SELECT h.task_no, r.unanswered, r.resumed_by FROM @there AS h JOIN @rows AS r ON r.task_id = h.task_id WHERE r.unanswered IS NOT NULL;
INSERT INTO dbo.task_questions (task_no, attempt, asked_version, state, asked_at, timeout_milliseconds, expires_at, has_default, default_rejects,
  answer_hash, answered_by, answered_at)
SELECT h.task_no, q.attempt, q.asked_version, q.state, q.asked_at, q.timeout_milliseconds, q.expires_at, q.has_default, q.default_rejects,
  q.answer_hash, q.answered_by, q.answered_at
FROM @questions AS q JOIN @there AS h ON h.task_id = q.task_id ORDER BY q.position;
INSERT INTO dbo.question_answerers (question_no, agent_no, asked, [open])
SELECT q.question_no, a.agent_no, k.asked, k.[open] FROM @answerers AS k JOIN @there AS h ON h.task_id = k.task_id
JOIN dbo.task_questions AS q ON q.task_no = h.task_no AND q.attempt = k.attempt JOIN dbo.agents AS a ON a.agent_id = k.agent_id;
INSERT INTO dbo.task_values (task_no, name, value, key_version)
SELECT h.task_no, v.name, v.value, v.key_version FROM @kept AS v JOIN @there AS h ON h.task_id = v.task_id;
INSERT INTO dbo.ended_parents (task_no)
SELECT h.task_no FROM @there AS h JOIN @rows AS r ON r.task_id = h.task_id WHERE r.parent_ended = 1;
INSERT INTO dbo.reopened_tasks (task_id)
SELECT h.task_id FROM @there AS h JOIN @rows AS r ON r.task_id = h.task_id WHERE r.reopened = 1;
COMMIT TRANSACTION;
`,
});

export const copyArchivedValues = copiedTable<CopiedArchivedValue>({
  name: "copy-archived-values",
  idOf: (row) => `${row.task_id} ${row.name}`,
  encode: (rows) => writePage("rows", rows, VALUE),
  add: `${readPage("@rows", "rows", VALUE)}BEGIN TRANSACTION;
INSERT INTO dbo.task_archive_values (task_id, name, value, key_version)
SELECT r.task_id, r.name, r.value, r.key_version FROM @rows AS r
WHERE NOT EXISTS (SELECT 1 FROM dbo.task_archive_values AS v WHERE v.task_id = r.task_id AND v.name = r.name) ORDER BY r.position;
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});

const SCHEDULE = {
  schedule_id: `${ID} NOT NULL`,
  supervisor_id: ID,
  cron: TEXT,
  timezone: ID,
  overlap: WORD,
  enabled: "bit",
  creates: WORD,
  contents: JSON_TEXT,
  key_version: KEY_VERSION,
  due_at: "bigint",
  planned_at: "bigint",
  refusals: "int",
  firings: JSON_TEXT,
  version: "bigint",
  created_at: "bigint",
  updated_at: "bigint",
};

export const copySchedules = copiedTable<CopiedSchedule>({
  name: "copy-schedules",
  idOf: (row) => row.schedule_id,
  find: `SELECT i.id AS asked, s.version, s.due_at, s.updated_at FROM @asked AS i JOIN dbo.schedules AS s ON s.schedule_id = i.id`,
  encode: (rows) => writePage("rows", rows, SCHEDULE),
  add: `${readPage("@rows", "rows", SCHEDULE)}BEGIN TRANSACTION;
INSERT INTO dbo.schedules (schedule_id, supervisor_no, cron, timezone, overlap, enabled, creates, contents, key_version, due_at, planned_at,
  refusals, firings, version, created_at, updated_at)
SELECT r.schedule_id, a.agent_no, r.cron, r.timezone, r.overlap, r.enabled, r.creates, r.contents, r.key_version, r.due_at, r.planned_at,
  r.refusals, r.firings, r.version, r.created_at, r.updated_at
FROM @rows AS r LEFT JOIN dbo.agents AS a ON a.agent_id = r.supervisor_id
WHERE NOT EXISTS (SELECT 1 FROM dbo.schedules AS s WHERE s.schedule_id = r.schedule_id) ORDER BY r.position;
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});
