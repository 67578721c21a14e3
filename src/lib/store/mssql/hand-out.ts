import { HANDOUTS_PER_CALL } from "../../limits.ts";
import type { AssignTaskReply, TaskStatus } from "../../tasks/task.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../values.ts";
import { DECLARE_PLAN, GIVE_TO_CHOSEN, LOST_ROUNDS_MAX, recordAssignments, takeRoom } from "./assignment.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import { PLAN_COLUMNS, weigh } from "./candidates.ts";
import type { Connection } from "./connection.ts";
import { recordTaskEvents } from "./task-rows.ts";
import { sqlText } from "./texts.ts";
import { DECLARE_COUNTS, DECLARE_DELIVERABLE, PROLOGUE, READ_TIME, SELECT_DELIVERABLE } from "./transaction.ts";

/**
 * Handing out waiting tasks in rank order: availableAt − headStart(priority), then the order of creation. Waiting tasks
 * are found in streams, one per demand (or named agent) and priority, whose heads are merged by rank. The cost grows with
 * the different demands that wait and that the agents meet, not with the tasks that wait.
 *
 * It runs after the commit of what made room or unblocked a task, in transactions of its own. Whoever makes room commits,
 * then looks for tasks; whoever lets a task wait commits, then looks for room: so one of the two sees the other.
 */

/**
 * What HAND_OUT works with: `@freed` agents that may have room now, `@unblocked` tasks that wait since now, and at most
 * `@handOutLimit` tasks to hand out (to be set: HANDOUTS_PER_CALL for each call). Needs DECLARE_COUNTS and
 * DECLARE_DELIVERABLE. `@handedOut`: how many were.
 */
export const DECLARE_HAND_OUT = `DECLARE @freed TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @unblocked TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @handOutLimit int, @handedOut int = 0;
`;

/**
 * For callers that know where tasks wait (others use HAND_OUT): demands, whose tasks anybody may take who meets them, and
 * agents that tasks name; one of the two in each row.
 */
export const DECLARE_SOURCES = `DECLARE @sources TABLE (demand_no int NULL, named_no int NULL);
`;

/** Priorities with their head starts, as rows. */
const STREAMS = `(VALUES ${PRIORITIES.map((name, priority) => `(${priority}, ${HEAD_START_MILLISECONDS[name]})`).join(", ")}) AS s (priority, head_start)`;

/** Due tasks of a source and priority, first come first. At most as many as may be handed out: more are not needed. */
function heads(source: string, condition = ""): string {
  return `SELECT TOP (@handOutLimit) t.task_no, t.available_at - s.head_start AS rank FROM dbo.tasks AS t
      WHERE ${source} AND t.priority = s.priority AND t.status = 'pending' AND t.available_at <= @now${condition}
      ORDER BY t.available_at, t.task_no`;
}

/** The next tasks in rank order, of sources that somebody free can take from. */
const LIST = `INSERT INTO @waiting (place, task_no, task_id, task_type, priority, demand_no, named_no, attempt, timeout_milliseconds,
  preferred, ended_by_no)
SELECT h.place, t.task_no, t.task_id, t.task_type, t.priority, t.demand_no, t.assign_to_no, t.attempt + 1, t.timeout_milliseconds,
  NULLIF(b.preferred_capabilities, N'[]'), CASE WHEN t.attempt > 0 THEN t.agent_no END
FROM (SELECT TOP (@handOutLimit - @handedOut) o.task_no, ROW_NUMBER() OVER (ORDER BY o.rank, o.task_no) AS place FROM (
    SELECT w.task_no, w.rank FROM @sources AS x CROSS JOIN ${STREAMS}
    CROSS APPLY (${heads("t.demand_no = x.demand_no AND t.assign_to_no IS NULL")}) AS w
    WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS d JOIN dbo.agent_loads AS l ON l.set_no = d.set_no AND l.assignable = 1
      WHERE d.demand_no = x.demand_no)
    UNION ALL
    SELECT w.task_no, w.rank FROM @sources AS x
    JOIN dbo.agent_loads AS l ON l.agent_no = x.named_no AND l.assignable = 1 CROSS JOIN ${STREAMS}
    CROSS APPLY (${heads(
      "t.assign_to_no = x.named_no AND t.assign_to_no IS NOT NULL",
      " AND EXISTS (SELECT 1 FROM dbo.demand_sets AS d WHERE d.demand_no = t.demand_no AND d.set_no = l.set_no)",
    )}) AS w) AS o
  ORDER BY o.rank, o.task_no) AS h
JOIN dbo.tasks AS t ON t.task_no = h.task_no
JOIN dbo.task_bodies AS b ON b.task_no = t.task_no;
SET @listed = @@ROWCOUNT;
`;

/** A source nobody can take from is passed over: its other tasks ask the same. */
const PLAN = `SET @place = (SELECT MIN(place) FROM @waiting WHERE becomes IS NULL);
WHILE @place IS NOT NULL
BEGIN
  SELECT @demandNo = demand_no, @namedNo = named_no, @endedByNo = ended_by_no, @preferred = preferred FROM @waiting WHERE place = @place;
  ${weigh("@waiting")}IF @chosenNo IS NOT NULL UPDATE @waiting SET ${GIVE_TO_CHOSEN} WHERE place = @place;
  ELSE UPDATE @waiting SET becomes = 'none'
    WHERE becomes IS NULL AND (named_no = @namedNo OR (@namedNo IS NULL AND named_no IS NULL AND demand_no = @demandNo));
  SET @place = (SELECT MIN(place) FROM @waiting WHERE becomes IS NULL);
END;
`;

const ASSIGN = `UPDATE t SET status = 'assigned', agent_no = w.agent_no, attempt = w.attempt, assigned_at = @now,
    deadline_at = @now + w.timeout_milliseconds
  FROM @waiting AS w JOIN dbo.tasks AS t ON t.task_no = w.task_no
  WHERE w.agent_no IS NOT NULL AND t.status = 'pending' AND t.attempt = w.attempt - 1;
  SET @given = @@ROWCOUNT;
`;

const RECORD = `INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
SELECT w.task_no, 'assigned', @now, w.attempt, w.agent_no FROM @waiting AS w WHERE w.agent_no IS NOT NULL ORDER BY w.place;
${recordTaskEvents({
  actor: "NULL",
  event: "'assigned'",
  taskId: "w.task_id",
  attempt: "w.attempt",
  agentId: "a.agent_id",
  from: "FROM @waiting AS w JOIN dbo.agents AS a ON a.agent_no = w.agent_no ORDER BY w.place",
})}${recordAssignments("@waiting", "('tasks:pending', -1), ('tasks:assigned', 1)")}`;

/**
 * Hands out what waits at @sources. Needs DECLARE_HAND_OUT, DECLARE_SOURCES, DECLARE_COUNTS and DECLARE_DELIVERABLE. A round
 * lists and plans tasks, takes the room of all chosen agents, then the tasks; when another call was faster with one of
 * them, nothing of the round is written and the next one sees what is left. Each round reads the time: a task that another
 * call has made a millisecond after the time of this batch is seen by this one, or by that one.
 */
export const HAND_OUT_SOURCES = `DECLARE @waiting TABLE (place int NOT NULL PRIMARY KEY, ${PLAN_COLUMNS}, ended_by_no int NULL);
${DECLARE_PLAN}DECLARE @listed int = 1, @given int;
WHILE @listed > 0
BEGIN
${READ_TIME}${LIST}${PLAN}SELECT @planned = COUNT(agent_no), @agents = COUNT(DISTINCT agent_no) FROM @waiting;
-- A short list that was given out, or in which nobody could take anything, was all there is.
IF @planned = 0 OR @listed < @handOutLimit - @handedOut SET @listed = 0;
IF @planned > 0
BEGIN
  BEGIN TRANSACTION;
  ${takeRoom("@waiting")}SET @taken = @@ROWCOUNT;
  SET @given = 0;
  IF @taken = @agents
  BEGIN
  ${ASSIGN}END;
  IF @given = @planned
  BEGIN
    ${RECORD}COMMIT TRANSACTION;
    SET @handedOut = @handedOut + @given;
    INSERT INTO @deliverable (agent_no) SELECT DISTINCT agent_no FROM @waiting WHERE agent_no IS NOT NULL;
    IF @handedOut >= @handOutLimit SET @listed = 0;
  END;
  ELSE
  BEGIN
    ROLLBACK TRANSACTION;
    SET @lostRounds = @lostRounds + 1;
    SET @listed = CASE WHEN @lostRounds > ${LOST_ROUNDS_MAX} THEN 0 ELSE 1 END;
  END;
END;
DELETE FROM @waiting;
SET @picks = 0;
END;
`;

/** Something waits that the agent of row `l` may take, due or not. */
const WAITS_FOR_SET = `SELECT 1 FROM dbo.demand_sets AS d
  JOIN dbo.tasks AS t ON t.demand_no = d.demand_no AND t.status = 'pending' AND t.assign_to_no IS NULL WHERE d.set_no = l.set_no`;
const WAITS_FOR_AGENT = `SELECT 1 FROM dbo.tasks AS t
  WHERE t.assign_to_no = l.agent_no AND t.assign_to_no IS NOT NULL AND t.status = 'pending'`;
const FREED = "@freed AS f JOIN dbo.agent_loads AS l ON l.agent_no = f.agent_no AND l.assignable = 1";

/**
 * Hands out the tasks that the agents of @freed may take, and those whose demand or named agent is that of a task of
 * @unblocked. After the COMMIT, outside any transaction, once in a batch. The common path, where nothing waits, is the one
 * look at the beginning.
 */
export const HAND_OUT = `IF EXISTS (SELECT 1 FROM @unblocked)
  OR EXISTS (SELECT 1 FROM ${FREED} WHERE EXISTS (${WAITS_FOR_SET}) OR EXISTS (${WAITS_FOR_AGENT}))
BEGIN
${DECLARE_SOURCES}INSERT INTO @sources (demand_no, named_no)
SELECT d.demand_no, NULL FROM ${FREED} JOIN dbo.demand_sets AS d ON d.set_no = l.set_no
WHERE EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.demand_no = d.demand_no AND t.status = 'pending' AND t.assign_to_no IS NULL)
UNION SELECT NULL, l.agent_no FROM ${FREED} WHERE EXISTS (${WAITS_FOR_AGENT})
UNION SELECT CASE WHEN t.assign_to_no IS NULL THEN t.demand_no END, t.assign_to_no
FROM @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no WHERE t.status = 'pending';
${HAND_OUT_SOURCES}END;
`;

interface HandedOutRow extends OutcomeRow {
  status: TaskStatus;
  attempt: number;
  assigned_to: string | null;
}

const BATCH: Batch<number, Omit<AssignTaskReply, "taskId">> = {
  name: "hand-out-tasks",
  sql: sqlText(
    "hand-out-tasks",
    `${PROLOGUE}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_HAND_OUT}INSERT INTO @unblocked (task_no)
SELECT DISTINCT j.task_no FROM OPENJSON(@items) WITH (task_no bigint '$.taskNo') AS j;
SET @handOutLimit = ${HANDOUTS_PER_CALL} * @@ROWCOUNT;
${HAND_OUT}SELECT j.item, NULL AS code, NULL AS subject, t.status, t.attempt, a.agent_id AS assigned_to
FROM OPENJSON(@items) WITH (item int, task_no bigint '$.taskNo') AS j JOIN dbo.tasks AS t ON t.task_no = j.task_no
LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no AND t.status <> 'pending';
${SELECT_DELIVERABLE}`,
  ),
  encode: (taskNo) => ({ taskNo }),
  decode: (result, items) =>
    outcomeRows<HandedOutRow>(result, items).map(({ status, attempt, assigned_to: assignedTo }) => {
      const value = { status, attempt };
      return { value: assignedTo === null ? value : { ...value, assignedTo } };
    }),
  maxItems: 64,
  wakes: true,
};

/** Hands out a task that waits, in its turn among those of its demand. @returns how it stands then */
export function handOutTask(connection: Connection, taskNo: number): Promise<Omit<AssignTaskReply, "taskId">> {
  return connection.run(BATCH, taskNo);
}
