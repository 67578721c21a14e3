import type { StoredTask } from "../store.ts";
import { buildTask, type TaskParts } from "../task-reading.ts";
import { TASK_ROW_COLUMNS, type TaskRow } from "../task-records.ts";
import { detailOf, recordRows } from "./audit.ts";
import { ID, WORD } from "./transaction.ts";

/** The columns of a task, how it reads, and its history. */

/** Columns of a TaskRow, for SELECT; the table is `t`. Flags are read as 0 or 1, as the embedded store keeps them. */
export const TASK_COLUMNS = TASK_ROW_COLUMNS.map((column) => {
  if (column === "percent") return "t.[percent]";
  return column === "cancel_requested" ? "CAST(t.cancel_requested AS int) AS cancel_requested" : `t.${column}`;
}).join(", ");

/** A row of READABLE_COLUMNS. */
export interface ReadableTaskRow extends TaskRow, TaskParts {
  /** Ids joined by commas, which no id has. */
  depends_on: string | null;
}

/** One statement reads a task with all that belongs to it, so that what it says is of one moment. */
export const READABLE_COLUMNS = `${TASK_COLUMNS}, s.agent_id AS supervisor_id, n.agent_id AS assign_to_id, a.agent_id,
  d.capabilities AS required, b.description, b.parameters, b.key_version, b.traceparent, b.preferred_capabilities AS preferred, o.note, o.result,
  o.key_version AS result_key_version, o.error,
  (SELECT STRING_AGG(CAST(p.depends_on AS varchar(max)), ',') WITHIN GROUP (ORDER BY p.position)
    FROM dbo.task_dependencies AS p WHERE p.task_no = t.task_no) AS depends_on`;

/** The tables beside dbo.tasks AS t that READABLE_COLUMNS need. */
export const READABLE_TABLES = `JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
LEFT JOIN dbo.agents AS n ON n.agent_no = t.assign_to_no
LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no
JOIN dbo.demands AS d ON d.demand_no = t.demand_no
JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no`;

/** The task as it is stored. */
export function readTask(row: ReadableTaskRow): StoredTask {
  return buildTask(row, row, row.depends_on === null ? [] : row.depends_on.split(","));
}

/**
 * What is added to the histories of tasks, in the order of `position`. `agent_no`: the agent that the event is about, if
 * any. `event` is one of TASK_EVENTS. For the audit alone are `actor`, who made it happen (NULL: the switchboard, for what follows
 * from something else), and `outcome`, how the attempt ended that the task has lost; `detail` is for the history alone.
 */
export const DECLARE_EVENTS = `DECLARE @events TABLE (position int IDENTITY PRIMARY KEY, task_no bigint NOT NULL, event ${WORD} NOT NULL,
  attempt int NOT NULL, agent_no int NULL, detail nvarchar(max) NULL, actor ${ID} NULL, outcome ${WORD} NULL);
`;

/** T-SQL expressions of a task's events. */
interface RecordedEvents {
  /** NULL: the switchboard. */
  actor: string;
  event: string;
  taskId: string;
  attempt: string;
  /** The agent that it is about, and how the attempt ended that the task has lost; NULL where there is none. */
  agentId: string;
  outcome?: string;
  from?: string;
}

/** Adds what happened to tasks to the audit, for those who write its history themselves. */
export function recordTaskEvents({ actor, event, taskId, attempt, agentId, outcome, from }: RecordedEvents): string {
  return recordRows({
    actor,
    action: `CONCAT('task.', ${event})`,
    subjectKind: "'task'",
    subjectId: taskId,
    detail: detailOf({
      attempt: { number: attempt },
      agentId: { word: agentId },
      ...(outcome === undefined ? {} : { outcome: { word: outcome } }),
    }),
    ...(from === undefined ? {} : { from }),
  });
}

/** Writes and empties @events, and adds them to the audit. Event numbers are given in the order of insertion; within a task its row's lock orders them. */
export const ADD_EVENTS = `IF EXISTS (SELECT 1 FROM @events)
BEGIN
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
  SELECT task_no, event, @now, attempt, agent_no, detail FROM @events ORDER BY position;
  ${recordTaskEvents({
    actor: "e.actor",
    event: "e.event",
    taskId: "t.task_id",
    attempt: "e.attempt",
    agentId: "a.agent_id",
    outcome: "e.outcome",
    from: `FROM @events AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no
ORDER BY e.position`,
  })}  DELETE FROM @events;
END;
`;
