import type { StoredTask } from "../store.ts";
import { buildTask, type TaskParts } from "../task-reading.ts";
import { TASK_ROW_COLUMNS, type TaskRow } from "../task-records.ts";

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
