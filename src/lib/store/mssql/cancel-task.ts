import { HANDOUTS_PER_CALL } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import type { TaskReply, TaskStatus } from "../../tasks/task.ts";
import { iso } from "../instants.ts";
import { taskEnded, taskNotFound } from "../task-records.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { itemText, plainText } from "./item-text.ts";
import {
  DECLARE_ENDING_NEEDS,
  DECLARE_ENDINGS,
  FINISH_TASK_ROWS,
  LEAVE_AGENTS,
  RECORD_ENDINGS,
} from "./task-endings.ts";
import { sqlText } from "./texts.ts";
import { APPLY_COUNTS, BIN2, BY_KEY, ID, PROLOGUE, raceUnless, SELECT_DELIVERABLE, WORD } from "./transaction.ts";

/**
 * @calls: each with its task as it is, or the status of an archived one. `ends`: at once; `asks`: the running task's worker
 * is asked, for the first time.
 */
const READ_CALLS = `DECLARE @asked int;
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id ${ID} NOT NULL, reason nvarchar(max) NULL, code ${WORD} NULL,
  task_no bigint NULL, status ${WORD} NULL, attempt int NULL, agent_no int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, ends bit NOT NULL, asks bit NOT NULL, actor ${ID} NOT NULL);
INSERT INTO @calls (item, task_id, reason, code, task_no, status, attempt, agent_no, cancel_requested, deadline_at, assigned_at,
  ends, asks, actor)
SELECT i.item, i.task_id, ${plainText("i.reason")}, CASE WHEN s.status IS NULL THEN 'TASK_NOT_FOUND'
    WHEN s.status IN ('completed', 'failed') THEN 'TASK_ENDED' END,
  t.task_no, s.status, t.attempt, CASE WHEN t.status IN ('assigned', 'running') THEN t.agent_no END, t.cancel_requested,
  t.deadline_at, t.assigned_at, CASE WHEN t.status IN ('blocked', 'pending', 'assigned') THEN 1 ELSE 0 END,
  CASE WHEN t.status = 'running' AND t.cancel_requested = 0 THEN 1 ELSE 0 END, i.actor
FROM (SELECT j.item, j.task_id ${BIN2} AS task_id, j.actor, r.value AS reason
  FROM OPENJSON(@items) AS k CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), actor varchar(128)) AS j
  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'reason') AS r) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
OUTER APPLY (SELECT CASE WHEN t.task_no IS NOT NULL THEN t.status
  ELSE (SELECT z.status FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) END AS status) AS s
${BY_KEY};
`;

const REQUEST_CANCEL = `IF @asked > 0
BEGIN
UPDATE t SET cancel_requested = 1
FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
WHERE c.asks = 1 AND t.status = 'running' AND t.attempt = c.attempt AND t.cancel_requested = 0;
${raceUnless("@asked")}END;
`;

/**
 * The reason is kept where the error will be: the task reads as cancelled for it, unless it completes. RECORD_ENDINGS writes
 * the events and messages.
 */
const RECORD_REQUESTS = `IF @asked > 0
BEGIN
UPDATE o SET error = c.reason
FROM @calls AS c JOIN dbo.task_outcomes AS o ON o.task_no = c.task_no WHERE c.asks = 1 AND c.reason IS NOT NULL;
INSERT INTO dbo.task_outcomes (task_no, error)
SELECT c.task_no, c.reason FROM @calls AS c WHERE c.asks = 1 AND c.reason IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no);
INSERT INTO @events (task_no, event, attempt, agent_no, detail, actor)
SELECT c.task_no, 'cancel_requested', c.attempt, c.agent_no, c.reason, c.actor FROM @calls AS c WHERE c.asks = 1;
INSERT INTO @outbox (receiver_no, type, priority, traceparent, payload)
SELECT c.agent_no, 'task_cancel', t.priority, b.traceparent, CONCAT(N'{"taskId":"' ${BIN2}, c.task_id, N'","attempt":',
  c.attempt, N',"reason":"' + STRING_ESCAPE(c.reason, 'json') + N'"', N'}')
FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no JOIN dbo.task_bodies AS b ON b.task_no = c.task_no
WHERE c.asks = 1 ORDER BY c.item;
END;
`;

/** An assignment that has not been started is taken back: its message ends, so the worker never sees it or loses the lease. */
const SQL = sqlText(
  "cancel-tasks",
  `${PROLOGUE}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}${DECLARE_HAND_OUT}${READ_CALLS}INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, error, detail, actor)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested, c.agent_no, c.assigned_at,
  CASE WHEN c.status = 'assigned' THEN 'cancelled' END, 'cancelled', c.reason, c.reason, c.actor
FROM @calls AS c WHERE c.ends = 1;
SET @asked = (SELECT COUNT(*) FROM @calls AS c WHERE c.asks = 1);
IF @asked > 0 OR EXISTS (SELECT 1 FROM @endings)
BEGIN
BEGIN TRANSACTION;
${LEAVE_AGENTS}${REQUEST_CANCEL}${FINISH_TASK_ROWS}${RECORD_REQUESTS}${RECORD_ENDINGS}${APPLY_COUNTS}COMMIT TRANSACTION;
INSERT INTO @freed (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE c.ends = 1 AND c.agent_no IS NOT NULL;
SET @handOutLimit = ${HANDOUTS_PER_CALL} * (SELECT COUNT(*) FROM @calls AS c WHERE c.ends = 1);
${HAND_OUT}END;
SELECT c.item, c.code, NULL AS subject, c.status, c.deadline_at FROM @calls AS c;
${SELECT_DELIVERABLE}`,
);

interface Cancel {
  taskId: string;
  reason: string | undefined;
}

interface CancelRow extends OutcomeRow {
  status: TaskStatus | null;
  deadline_at: number | null;
}

const CANCELS: Batch<Cancel, TaskReply> = {
  name: "cancel-tasks",
  sql: SQL,
  encode: ({ taskId, reason }) => ({
    task_id: taskId,
    actor: actorOf(),
    reason: reason === undefined ? null : itemText(reason),
  }),
  decode,
  maxItems: 64,
  conflictKey: ({ taskId }) => taskId,
  wakes: true,
};

function decode(result: BatchResult, calls: readonly Cancel[]): Outcome<TaskReply>[] {
  const rows = outcomeRows<CancelRow>(result, calls);
  return calls.map(({ taskId }, item) => {
    const { code, status, deadline_at } = rows[item] ?? { code: null, status: null, deadline_at: null };
    if (status === null) return { refusal: taskNotFound(taskId) };
    if (code !== null) return { refusal: taskEnded(taskId, status) };
    if (status !== "running") return { value: { taskId, status: "cancelled", cancelRequested: true } };
    const deadline = deadline_at === null ? {} : { deadline: iso(deadline_at) };
    return { value: { taskId, status, cancelRequested: true, ...deadline } };
  });
}

/**
 * Ends a blocked, pending or assigned task at once; of a running one it is a request. Cancelling again answers again.
 *
 * @throws TASK_NOT_FOUND, TASK_ENDED
 */
export function cancelTask(connection: Connection, taskId: string, reason: string | undefined): Promise<TaskReply> {
  return connection.run(CANCELS, { taskId, reason });
}
