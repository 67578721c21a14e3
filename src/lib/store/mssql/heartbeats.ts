import type { HeartbeatReply } from "../../agents/agent.ts";
import { HANDOUTS_PER_CALL, PENDING_COUNT_MAX } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import type { Heartbeat } from "../store.ts";
import { CHANGE_STATUS, DECLARE_STATUS_CHANGES } from "./agent-rows.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { type SqlText, sqlText } from "./texts.ts";
import {
  APPLY_COUNTS,
  BIN2,
  BY_KEY,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  ID,
  PROLOGUE,
  READ_TIME,
  raceUnless,
  SELECT_DELIVERABLE,
  WORD,
} from "./transaction.ts";

/**
 * Heartbeats (a file apart from agents.ts, which would be too long with them): one text for the beats that change nothing but
 * the time, a longer one for those that change the status or the capacity. The first is sent thousands of times as often,
 * and is kept to five statements.
 */

type Reply = Omit<HeartbeatReply, "heartbeatIntervalSeconds">;

/** In the order of agents, in which their rows are locked; unknown agents are number 0. */
const DECLARE_BEATS = `DECLARE @beats TABLE (agent_no int NOT NULL, item int NOT NULL, status ${WORD} NULL, becomes ${WORD} NULL,
  was_max int NULL, max_concurrent_tasks int NULL, actor ${ID} NULL, changes bit NOT NULL, PRIMARY KEY (agent_no, item));
`;

/** A beat that finds its agent silenced in the meantime loses the race. It waits for nothing but another beat. */
const RENEW = `UPDATE h SET last_heartbeat_at = @now
FROM @beats AS b JOIN dbo.agent_heartbeats AS h ON h.agent_no = b.agent_no
WHERE b.changes = 0 AND b.status <> 'deregistered' AND h.beating = 1
${BY_KEY};
${raceUnless("(SELECT COUNT(*) FROM @beats AS b WHERE b.changes = 0 AND b.status <> 'deregistered')")}`;

/**
 * Messages that could be received now, counted up to PENDING_COUNT_MAX: a walk of the four streams, never of more; and of each
 * ordering key with something due that has not joined it, and with nothing in front, one.
 */
const OUTCOMES = `${READ_TIME}SELECT b.item, CASE WHEN b.agent_no = 0 THEN 'AGENT_NOT_FOUND' WHEN b.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END AS code,
  NULL AS subject, b.becomes AS status, b.changes,
  CASE WHEN p.pending + k.pending > ${PENDING_COUNT_MAX} THEN ${PENDING_COUNT_MAX} ELSE p.pending + k.pending END AS pending
FROM @beats AS b
OUTER APPLY (SELECT COUNT(*) AS pending FROM (
  SELECT TOP (${PENDING_COUNT_MAX}) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = b.agent_no AND m.held = 0 AND m.priority IN (0, 1, 2, 3) AND m.status = 'queued'
    AND m.available_at <= @now AND (m.expires_at IS NULL OR m.expires_at > @now)) AS x) AS p
OUTER APPLY (SELECT COUNT(DISTINCT j.ordering_key) AS pending FROM (
  SELECT TOP (${PENDING_COUNT_MAX}) m.ordering_key FROM dbo.messages AS m
  WHERE m.receiver_no = b.agent_no AND m.joined = 0 AND m.status = 'queued' AND m.available_at <= @now
    AND (m.expires_at IS NULL OR m.expires_at > @now)) AS j
  WHERE NOT EXISTS (SELECT 1 FROM dbo.ordering_keys AS o WHERE o.receiver_no = b.agent_no AND o.ordering_key = j.ordering_key)) AS k;
`;

const LIVE_TASKS = `SELECT b.item, t.task_id, t.attempt, t.cancel_requested
FROM @beats AS b JOIN dbo.tasks AS t ON t.agent_no = b.agent_no
WHERE b.status <> 'deregistered' AND t.status IN ('assigned', 'running') ORDER BY b.item, t.task_no;
`;

const BEATS = sqlText(
  "heartbeats",
  `${PROLOGUE}${DECLARE_BEATS}
INSERT INTO @beats (agent_no, item, status, becomes, changes)
SELECT COALESCE(a.agent_no, 0), j.item, a.status, a.status, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2};
${RENEW}${OUTCOMES}${LIVE_TASKS}`,
);

const CHANGING_BEATS = sqlText(
  "heartbeats with changes",
  `${PROLOGUE}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_HAND_OUT}${DECLARE_STATUS_CHANGES}${DECLARE_BEATS}
INSERT INTO @beats (agent_no, item, status, becomes, was_max, max_concurrent_tasks, actor, changes)
SELECT COALESCE(a.agent_no, 0), j.item, a.status, w.becomes, l.max_concurrent_tasks, w.capacity, j.actor,
  CASE WHEN w.becomes <> a.status OR w.capacity <> l.max_concurrent_tasks THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', status varchar(24) '$.status', max_concurrent_tasks int '$.maxConcurrentTasks',
  actor varchar(128)) AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2}
LEFT JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
CROSS APPLY (SELECT COALESCE(j.max_concurrent_tasks, l.max_concurrent_tasks) AS capacity,
  COALESCE(j.status ${BIN2}, CASE WHEN a.status = 'inactive' THEN 'active' ELSE a.status END) AS becomes) AS w;
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT b.agent_no, a.role, b.status, a.set_no, b.was_max, a.role, b.becomes, a.set_no, b.max_concurrent_tasks, 1, NULL, b.actor
FROM @beats AS b JOIN dbo.agents AS a ON a.agent_no = b.agent_no
WHERE b.changes = 1 AND b.status <> 'deregistered';
${RENEW}IF EXISTS (SELECT 1 FROM @status_changes)
BEGIN
  BEGIN TRANSACTION;
  ${CHANGE_STATUS}${APPLY_COUNTS}COMMIT TRANSACTION;
  INSERT INTO @freed (agent_no)
  SELECT s.agent_no FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  WHERE l.assignable = 1 AND (s.was_status <> 'active' OR s.max_concurrent_tasks > s.was_max);
  SET @handOutLimit = ${HANDOUTS_PER_CALL} * @statusChanges;
  ${HAND_OUT}
END;
${OUTCOMES}${SELECT_DELIVERABLE}${LIVE_TASKS}`,
);

interface BeatOutcome extends OutcomeRow {
  status: Reply["status"];
  changes: boolean;
  pending: number;
}

interface LiveTask {
  item: number;
  task_id: string;
  attempt: number;
  cancel_requested: boolean;
}

/** The reply, or nothing when the beat has to be told by the longer text. */
function decode(tasksAt: number, final: boolean) {
  return (result: BatchResult, beats: readonly Heartbeat[]): Outcome<Reply | undefined>[] => {
    const tasks = result.byItem<LiveTask>(tasksAt);
    return outcomeRows<BeatOutcome>(result, beats).map(({ item, code, status, changes, pending }, position) => {
      const agentId = beats[position]?.agentId ?? "";
      if (code === "AGENT_NOT_FOUND") return { refusal: agentNotFound(agentId) };
      if (code === "AGENT_DEREGISTERED") return { refusal: agentDeregistered(agentId) };
      if (changes && !final) return { value: undefined };
      const live = (tasks.get(item) ?? []).map((task) => ({
        taskId: task.task_id,
        attempt: task.attempt,
        cancelRequested: task.cancel_requested,
      }));
      return { value: { status, pendingMessages: pending, tasks: live } };
    });
  };
}

function batch(name: string, sql: SqlText, wakes: boolean): Batch<Heartbeat, Reply | undefined> {
  return {
    name,
    sql,
    encode: ({ agentId, status, maxConcurrentTasks }) => ({
      agentId,
      status: status ?? null,
      maxConcurrentTasks: maxConcurrentTasks ?? null,
      ...(wakes ? { actor: actorOf(agentId) } : {}),
    }),
    decode: decode(wakes ? 2 : 1, wakes),
    maxItems: 200,
    conflictKey: (beat) => beat.agentId,
    wakes,
  };
}

const BEAT = batch("heartbeats", BEATS, false);
const CHANGING_BEAT = batch("heartbeats with changes", CHANGING_BEATS, true);

/**
 * One round trip; a second one when the agent had fallen silent, which only the first can tell.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export async function heartbeat(connection: Connection, beat: Heartbeat): Promise<Reply> {
  const changes = beat.status !== undefined || beat.maxConcurrentTasks !== undefined;
  const reply = changes ? undefined : await connection.run(BEAT, beat);
  return reply ?? changeBeat(connection, beat);
}

/** A heartbeat that may change the status, be it from inactive to active. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
export async function changeBeat(connection: Connection, beat: Heartbeat): Promise<Reply> {
  const reply = await connection.run(CHANGING_BEAT, beat);
  if (reply === undefined) throw new Error("a heartbeat with changes was not answered");
  return reply;
}
