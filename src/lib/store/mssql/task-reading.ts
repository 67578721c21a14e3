import { REPLY_MAX_BYTES } from "../../limits.ts";
import type { Assignment, ListTasksQuery, TaskEvent, TaskRelation } from "../../tasks/task.ts";
import { parseAttempts, type StoredAttempt } from "../archived-attempts.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, StoredTask } from "../store.ts";
import {
  type ArchivedDocument,
  type AttemptRow,
  archivedHistory,
  assignmentsAfter,
  buildAttempt,
  buildEvent,
  type EventRow,
  historyCursor,
  pageOfAssignments,
  readArchived,
} from "../task-reading.ts";
import { taskNotFound } from "../task-records.ts";
import { parseArchivedEvents } from "./archived-tasks.ts";
import { bigint, type Inputs, id, int, lookUp, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { READABLE_COLUMNS, READABLE_TABLES, type ReadableTaskRow, readTask } from "./task-rows.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { BIN2, BY_KEY } from "./transaction.ts";

/** Tasks, their attempts and their history as callers see them. */

/** The archive is read last: a task that is moved there meanwhile is in one of them. */
const TASK = sqlText(
  "get-task",
  `SELECT ${READABLE_COLUMNS} FROM dbo.tasks AS t
${READABLE_TABLES} WHERE t.task_id = @taskId;
SELECT z.task, z.key_version, z.result_key_version FROM dbo.task_archive AS z WHERE z.task_id = @taskId;
`,
);

/** Reads the archive as well. @throws TASK_NOT_FOUND */
export async function getTask(connection: Connection, taskId: string): Promise<StoredTask> {
  const result = await connection.query(TASK, { taskId: id(taskId) });
  const row = result.rows<ReadableTaskRow>(0)[0];
  if (row !== undefined) return readTask(row);
  const archived = result.rows<ArchivedDocument>(1)[0];
  if (archived === undefined) throw taskNotFound(taskId);
  return readArchived(archived);
}

type Filter = "status" | "supervisor" | "assignedTo" | "taskType" | "parentTaskId";

/** A filtered index is used only where the text itself says what its filter says. */
const FILTERS: Record<Filter, { condition: string; input: (value: string) => Inputs[string] }> = {
  status: { condition: "t.status = @status", input: word },
  supervisor: {
    condition: "t.supervisor_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @supervisor)",
    input: id,
  },
  assignedTo: {
    condition: `t.agent_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @assignedTo) AND t.agent_no IS NOT NULL
  AND t.status <> 'pending'`,
    input: id,
  },
  taskType: { condition: "t.task_type = @taskType", input: id },
  parentTaskId: { condition: "t.parent_task_id = @parentTaskId AND t.parent_task_id IS NOT NULL", input: id },
};
const FILTER_NAMES = ["status", "supervisor", "assignedTo", "taskType", "parentTaskId"] as const;

/** A text, and so a plan, for each set of filters: 32. */
const LISTS: ReadonlyMap<string, SqlText> = new Map(
  Array.from({ length: 2 ** FILTER_NAMES.length }, (_, set) => {
    const filters = FILTER_NAMES.filter((_, bit) => (set & (2 ** bit)) !== 0);
    return [filters.join("+"), sqlText(`list-tasks ${filters.join("+")}`, listText(filters))];
  }),
);

/** The page is cut here already where its texts alone are too large: reading 201 tasks could bring 100 MB. */
function listText(filters: readonly Filter[]): string {
  const conditions = [...filters.map((filter) => FILTERS[filter].condition), "t.task_no < @before"];
  return `DECLARE @page TABLE (task_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @page (task_no)
SELECT TOP (@limit + 1) t.task_no FROM dbo.tasks AS t
WHERE ${conditions.join(" AND ")}
ORDER BY t.task_no DESC;
SELECT w.found, ${READABLE_COLUMNS}
FROM (SELECT k.task_no, COUNT(*) OVER () AS found, SUM(z.characters) OVER (ORDER BY k.task_no DESC ROWS UNBOUNDED PRECEDING)
    - z.characters AS characters_before
  FROM @page AS k
  CROSS APPLY (SELECT (DATALENGTH(x.parameters) + DATALENGTH(x.description)) / 2
      + COALESCE((SELECT DATALENGTH(y.result) / 2 FROM dbo.task_outcomes AS y WHERE y.task_no = k.task_no), 0) AS characters
    FROM dbo.task_bodies AS x WHERE x.task_no = k.task_no) AS z) AS w
JOIN dbo.tasks AS t ON t.task_no = w.task_no
${READABLE_TABLES}
WHERE w.characters_before <= ${REPLY_MAX_BYTES}
ORDER BY t.task_no DESC;
`;
}

/** Newest first; a page may be shorter than its limit when its tasks are large. Archived tasks are not listed. */
export async function listTasks(
  connection: Connection,
  query: Page & Omit<ListTasksQuery, "limit" | "cursor">,
): Promise<Paged<StoredTask>> {
  const { status, supervisor, assignedTo, taskType, parentTaskId, limit } = query;
  const filters = { list: "tasks", status, supervisor, assignedTo, taskType, parentTaskId };
  const before = Number(decodeCursor(filters, query.cursor)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const inputs: Inputs = { before: bigint(before), limit: int(limit) };
  const given = FILTER_NAMES.filter((name) => {
    const value = query[name];
    if (value !== undefined) inputs[name] = FILTERS[name].input(value);
    return value !== undefined;
  });
  const sql = LISTS.get(given.join("+"));
  if (sql === undefined) throw new Error(`there is no text for the filters ${given.join("+")}`);
  const rows = (await connection.query(sql, inputs)).rows<ReadableTaskRow & { found: number }>(0);
  return takePage(rows, limit, readTask, (last) => encodeCursor(filters, [last.task_no]), rows[0]?.found);
}

const SENSITIVE = lookUp<string, number>({
  name: "sensitive-tasks",
  sql: sqlText(
    "sensitive-tasks",
    `SELECT i.item, CASE WHEN COALESCE(b.key_version, z.key_version) IS NOT NULL THEN 1
  WHEN b.task_no IS NOT NULL OR z.task_id IS NOT NULL THEN 0 END AS value
FROM OPENJSON(@items) WITH (item int, task_id varchar(128)) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id ${BIN2}
LEFT JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
LEFT JOIN dbo.task_archive AS z ON z.task_id = i.task_id ${BIN2}
${BY_KEY};
`,
  ),
  encode: (taskId) => ({ task_id: taskId }),
});

/** Whether the parameters of a task are encrypted, in the archive, too; undefined when there is none. */
export async function isSensitiveTask(connection: Connection, taskId: string): Promise<boolean | undefined> {
  const sensitive = await connection.run(SENSITIVE, taskId);
  return sensitive === undefined ? undefined : sensitive === 1;
}

/**
 * The archive knows agents by name alone. A name that maintenance has freed may have been given again: who was registered after a
 * task had ended is not the agent of that task. The last case walks what the agent has in hand: as many tasks as it takes at once, and what each of them depends on.
 */
const RELATION = lookUp<{ agentId: string; taskId: string }, TaskRelation>({
  name: "relation-to-task",
  sql: sqlText(
    "relation-to-task",
    `SELECT i.item, CASE WHEN s.agent_id = i.agent_id ${BIN2} OR (c.registered_at <= z.ended_at AND z.supervisor_id = i.agent_id ${BIN2})
    THEN 'assigned_by'
  WHEN (t.status <> 'pending' AND w.agent_id = i.agent_id ${BIN2}) OR (c.registered_at <= z.ended_at
    AND CAST(JSON_VALUE(z.task, '$.assignedTo') AS varchar(128)) ${BIN2} = i.agent_id ${BIN2}) THEN 'assigned_to'
  WHEN (t.task_no IS NOT NULL OR z.task_id IS NOT NULL) AND EXISTS (SELECT 1 FROM dbo.agents AS a
    JOIN dbo.tasks AS h ON h.agent_no = a.agent_no AND h.status IN ('assigned', 'running')
    JOIN dbo.task_dependencies AS d ON d.task_no = h.task_no
    WHERE a.agent_id = i.agent_id ${BIN2} AND d.depends_on = i.task_id ${BIN2}) THEN 'needed_by' END AS value
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), task_id varchar(128)) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id ${BIN2}
LEFT JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
LEFT JOIN dbo.agents AS w ON w.agent_no = t.agent_no
LEFT JOIN dbo.task_archive AS z ON z.task_id = i.task_id ${BIN2}
LEFT JOIN dbo.agents AS c ON c.agent_id = i.agent_id ${BIN2}
${BY_KEY};
`,
  ),
  encode: ({ agentId, taskId }) => ({ agent_id: agentId, task_id: taskId }),
});

/** What a task, archived ones included, is to an agent. */
export function relationToTask(
  connection: Connection,
  agentId: string,
  taskId: string,
): Promise<TaskRelation | undefined> {
  return connection.run(RELATION, { agentId, taskId });
}

const ATTEMPT_COLUMNS =
  "p.attempt, a.agent_id, p.assigned_at, p.ended_at, p.outcome, p.answer, p.explanation FROM dbo.task_attempts AS p JOIN dbo.agents AS a ON a.agent_no = p.agent_no";

const ATTEMPTS = sqlText(
  "get-assignments",
  `DECLARE @taskNo bigint = (SELECT t.task_no FROM dbo.tasks AS t WHERE t.task_id = @taskId);
SELECT @taskNo AS task_no;
SELECT TOP (@limit + 1) ${ATTEMPT_COLUMNS} WHERE p.task_no = @taskNo AND p.attempt > @after ORDER BY p.attempt;
SELECT z.assignments FROM dbo.task_archive AS z WHERE z.task_id = @taskId;
`,
);

/** The attempts, oldest first. @throws TASK_NOT_FOUND */
export async function getAssignments(connection: Connection, taskId: string, page: Page): Promise<Paged<Assignment>> {
  const after = assignmentsAfter(taskId, page.cursor);
  const { limit } = page;
  const result = await connection.query(ATTEMPTS, { taskId: id(taskId), after: int(after), limit: int(limit) });
  const archived = result.rows<{ assignments: string }>(2)[0];
  if (archived !== undefined) {
    const stored = parseAttempts(archived.assignments).filter(({ attempt }) => attempt > after);
    return pageOfAssignments(taskId, stored, limit);
  }
  if (result.rows<{ task_no: number | null }>(0)[0]?.task_no == null) throw taskNotFound(taskId);
  return pageOfAssignments(taskId, result.rows<AttemptRow>(1).map(buildAttempt), limit);
}

const EVENT_COLUMNS = `e.event_no, e.event, e.at, e.attempt, a.agent_id, e.detail
FROM dbo.task_events AS e LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no`;

/** `place`: of the newest of the page, from 1 for the oldest event of all: an archived history knows no other numbers. */
const EVENTS = sqlText(
  "get-task-history",
  `DECLARE @taskNo bigint = (SELECT t.task_no FROM dbo.tasks AS t WHERE t.task_id = @taskId);
SELECT @taskNo AS task_no, (SELECT COUNT(*) FROM dbo.task_events AS c WHERE c.task_no = @taskNo AND c.event_no < @before) AS place;
SELECT TOP (@limit + 1) ${EVENT_COLUMNS} WHERE e.task_no = @taskNo AND e.event_no < @before ORDER BY e.event_no DESC;
SELECT z.events FROM dbo.task_archive AS z WHERE z.task_id = @taskId;
`,
);

/** Newest first. @throws TASK_NOT_FOUND */
export async function getTaskHistory(connection: Connection, taskId: string, page: Page): Promise<Paged<TaskEvent>> {
  const { limit, cursor } = page;
  const [before, beforePlace] = decodeCursor({ list: "history", taskId }, cursor) ?? [];
  const inputs = { taskId: id(taskId), before: bigint(Number(before ?? Number.MAX_SAFE_INTEGER)), limit: int(limit) };
  const result = await connection.query(EVENTS, inputs);
  const archived = result.rows<{ events: string }>(2)[0];
  if (archived !== undefined) {
    const place = Number(beforePlace ?? Number.MAX_SAFE_INTEGER);
    // A number larger than any place: the task is not among the live ones any more.
    const cursorAt = (at: number): string => historyCursor(taskId, [Number.MAX_SAFE_INTEGER, at]);
    return archivedHistory(parseArchivedEvents(archived.events), limit, place, cursorAt);
  }
  const [task] = result.rows<{ task_no: number | null; place: number }>(0);
  if (task === undefined || task.task_no === null) throw taskNotFound(taskId);
  const rows = result.rows<EventRow>(1);
  const places = rows.map((row, behind) => ({ row, place: task.place - behind }));
  return takePage(
    places,
    limit,
    ({ row }) => buildEvent(row),
    ({ row, place }) => historyCursor(taskId, [row.event_no, place]),
  );
}

const NUMBERS = "(SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j) AS k";

const TASKS_BY_NO = sqlText(
  "read-tasks-by-no",
  `SELECT ${READABLE_COLUMNS} FROM ${NUMBERS}
JOIN dbo.tasks AS t ON t.task_no = k.task_no
${READABLE_TABLES};
`,
);

/** Tasks by number, for the archive; those that are gone are left out. */
export async function readTasksByNo(
  connection: Connection,
  taskNos: readonly number[],
): Promise<Map<number, StoredTask>> {
  const result = await connection.query(TASKS_BY_NO, { taskNos: text(JSON.stringify(taskNos)) });
  return new Map(result.rows<ReadableTaskRow>(0).map((row) => [row.task_no, readTask(row)]));
}

const ATTEMPTS_BY_NO = sqlText(
  "read-attempts-by-no",
  `SELECT p.task_no, ${ATTEMPT_COLUMNS} JOIN ${NUMBERS} ON k.task_no = p.task_no ORDER BY p.task_no, p.attempt;
`,
);

/** Every attempt of each task, oldest first. */
export async function storedAttemptsByNo(
  connection: Connection,
  taskNos: readonly number[],
): Promise<Map<number, StoredAttempt[]>> {
  const result = await connection.query(ATTEMPTS_BY_NO, { taskNos: text(JSON.stringify(taskNos)) });
  return grouped(result.rows<AttemptRow & { task_no: number }>(0), buildAttempt);
}

const EVENTS_BY_NO = sqlText(
  "read-events-by-no",
  `SELECT k.task_no, v.* FROM ${NUMBERS}
CROSS APPLY (SELECT TOP (@limit) ${EVENT_COLUMNS} WHERE e.task_no = k.task_no ORDER BY e.event_no DESC) AS v
ORDER BY k.task_no, v.event_no DESC;
`,
);

/** The newest events of each task, newest first. */
export async function newestEventsByNo(
  connection: Connection,
  taskNos: readonly number[],
  limit: number,
): Promise<Map<number, TaskEvent[]>> {
  const result = await connection.query(EVENTS_BY_NO, { taskNos: text(JSON.stringify(taskNos)), limit: int(limit) });
  return grouped(result.rows<EventRow & { task_no: number }>(0), buildEvent);
}

function grouped<Row extends { task_no: number }, Item>(
  rows: readonly Row[],
  build: (row: Row) => Item,
): Map<number, Item[]> {
  const groups = new Map<number, Item[]>();
  for (const row of rows) {
    const group = groups.get(row.task_no);
    if (group === undefined) groups.set(row.task_no, [build(row)]);
    else group.push(build(row));
  }
  return groups;
}
