import type { TaskRow } from "../task-records.ts";
import { WORD } from "./transaction.ts";

/** The columns of a task, and its history. */

/** Columns of a TaskRow, for SELECT; the table is `t`. Flags are read as 0 or 1, as the embedded store keeps them. */
export const TASK_COLUMNS = (
  [
    "task_no",
    "task_id",
    "supervisor_no",
    "task_type",
    "priority",
    "status",
    "demand_no",
    "assign_to_no",
    "agent_no",
    "attempt",
    "retries_used",
    "max_retries",
    "timeout_milliseconds",
    "unmet_dependencies",
    "cancel_requested",
    "percent",
    "created_at",
    "available_at",
    "assigned_at",
    "started_at",
    "deadline_at",
    "ended_at",
    "parent_task_id",
  ] as const satisfies readonly (keyof TaskRow)[]
)
  .map((column) => {
    if (column === "percent") return "t.[percent]";
    return column === "cancel_requested" ? "CAST(t.cancel_requested AS int) AS cancel_requested" : `t.${column}`;
  })
  .join(", ");

/**
 * What is added to the histories of tasks, in the order of `position`. `agent_no`: the agent that the event is about, if
 * any. `event` is one of TASK_EVENTS.
 */
export const DECLARE_EVENTS = `DECLARE @events TABLE (position int IDENTITY PRIMARY KEY, task_no bigint NOT NULL, event ${WORD} NOT NULL,
  attempt int NOT NULL, agent_no int NULL, detail nvarchar(max) NULL);
`;

/** Writes and empties @events. Event numbers are given in the order of insertion; within a task its row's lock orders them. */
export const ADD_EVENTS = `IF EXISTS (SELECT 1 FROM @events)
BEGIN
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
  SELECT task_no, event, @now, attempt, agent_no, detail FROM @events ORDER BY position;
  DELETE FROM @events;
END;
`;
