import type { Agent } from "../../agents/agent.ts";
import { readStoredAgent, type StoredAgent } from "../agent-reading.ts";
import { detailOf, recordRows } from "./audit.ts";
import { BY_KEY, ID, raceUnless, WORD } from "./transaction.ts";

/**
 * The rows of an agent, and the two fragments that change what others decide by, so that every count follows every change:
 * CHANGE_LOADS for what assignments change, CHANGE_STATUS for everything else. Both take the agent_loads rows first, by key,
 * in ascending order; where a batch uses both, the agents of CHANGE_LOADS are among those of CHANGE_STATUS, or it would take
 * rows of one table in two passes.
 */

/** An agent with its load, heartbeat, set (as a JSON array) and metadata. */
export interface AgentRow extends StoredAgent {
  agent_no: number;
  capabilities: string;
  metadata: string | null;
}

/** Columns of an AgentRow, for SELECT … AGENT_JOINS. */
export const AGENT_COLUMNS = `a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, l.completed, l.failed, l.completed_milliseconds, l.p95_milliseconds, m.metadata`;

/** What stands behind AGENT_COLUMNS, after `dbo.agents AS a`. */
export const AGENT_JOINS = `JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no`;

/** The agent of a row. */
export function readAgent(row: AgentRow): Agent {
  return readStoredAgent(row, JSON.parse(row.capabilities) as string[], row.metadata);
}

/** Additions to the loads of agents: attempts begun less ended, and how those ended that count for or against the agent. */
export const DECLARE_LOADS = `DECLARE @loads TABLE (agent_no int NOT NULL PRIMARY KEY, tasks int NOT NULL,
  completed int NOT NULL, failed int NOT NULL, milliseconds bigint NOT NULL);
`;

/**
 * Applies and empties @loads. Additions commute, so they expect no state, but one: an agent cannot lose a task that it has
 * not got. (Two who end the same attempt meet here first; the later one loses the race here, or at the task.) The row shows
 * the state after, and nobody else can change it before the commit, so the state before is that less the addition. (Since no
 * more than the capacity may be assigned, assigning itself is a conditional update of its own, in assignment.ts.)
 */
export const CHANGE_LOADS = `IF EXISTS (SELECT 1 FROM @loads)
BEGIN
  UPDATE l SET active_tasks = l.active_tasks + d.tasks, completed = l.completed + d.completed, failed = l.failed + d.failed,
    completed_milliseconds = l.completed_milliseconds + d.milliseconds
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.active_tasks + d.tasks >= 0
  ${BY_KEY};
  ${raceUnless("(SELECT COUNT(*) FROM @loads)")}
  INSERT INTO @counts (name, delta)
  SELECT CONCAT('set:', l.set_no, ':free'), CASE WHEN l.assignable = 1 THEN 1 ELSE -1 END
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.working = 1
    AND l.assignable <> CASE WHEN l.active_tasks - d.tasks < l.max_concurrent_tasks THEN 1 ELSE 0 END;
  DELETE FROM @loads;
END;
`;

/**
 * Changes of status, role, capacity or capability set, each with the state that the batch read before. `beats`: counts as
 * a heartbeat. `silent_since`: a race is lost to a heartbeat later than this. `actor`: who changes it; NULL: the switchboard. Fill it
 * with STATUS_CHANGES_OF.
 */
export const DECLARE_STATUS_CHANGES = `DECLARE @status_changes TABLE (agent_no int NOT NULL PRIMARY KEY,
  was_role ${WORD} NOT NULL, was_status ${WORD} NOT NULL, was_set_no int NOT NULL, was_max int NOT NULL,
  role ${WORD} NOT NULL, status ${WORD} NOT NULL, set_no int NOT NULL, max_concurrent_tasks int NOT NULL,
  beats bit NOT NULL, silent_since bigint NULL, actor ${ID} NULL, metadata_changed bit NOT NULL DEFAULT 0);
DECLARE @statusChanges int;
`;

/**
 * Fills @status_changes, outside the transaction, with agents whose status alone changes. Their state is read here: what
 * the caller has found before may have changed since, so it looks at `was_status` again.
 *
 * @param source a table variable with a column agent_no
 * @example
 * statusChangesOf("@silent", { becomes: "'inactive'", silentSince: "@silentSince" })
 */
export function statusChangesOf(
  source: string,
  change: { becomes: string; beats?: 0 | 1; silentSince?: string; actor?: string },
): string {
  const { becomes, beats = 0, silentSince = "NULL", actor = "NULL" } = change;
  return `INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, a.role, ${becomes}, a.set_no,
  l.max_concurrent_tasks, ${beats}, ${silentSince}, ${actor}
FROM ${source} AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no;
`;
}

/** 1 for a registered worker; for an active one; for one that a task may be assigned to. */
const WAS_AND_IS = `CROSS APPLY (SELECT
    CASE WHEN s.was_role = 'worker' AND s.was_status <> 'deregistered' THEN 1 ELSE 0 END AS was_worker,
    CASE WHEN s.role = 'worker' AND s.status <> 'deregistered' THEN 1 ELSE 0 END AS is_worker,
    CASE WHEN s.was_role = 'worker' AND s.was_status = 'active' THEN 1 ELSE 0 END AS was_active,
    CASE WHEN s.role = 'worker' AND s.status = 'active' THEN 1 ELSE 0 END AS is_active,
    CASE WHEN s.was_role = 'worker' AND s.was_status = 'active' AND l.active_tasks < s.was_max THEN 1 ELSE 0 END AS was_free,
    CASE WHEN l.assignable = 1 THEN 1 ELSE 0 END AS is_free) AS w`;

/** What the audit says of @status_changes: loads and heartbeats are no changes. */
const RECORD_CHANGES = `${recordRows({
  actor: "s.actor",
  action: "CASE WHEN s.status = 'deregistered' THEN 'agent.deregistered' ELSE 'agent.status_changed' END",
  subjectKind: "'agent'",
  subjectId: "a.agent_id",
  detail: detailOf({ from: { word: "s.was_status" }, to: { word: "s.status" } }),
  from: `FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no WHERE s.status <> s.was_status`,
})}${recordRows({
  actor: "s.actor",
  action: "'agent.changed'",
  subjectKind: "'agent'",
  subjectId: "a.agent_id",
  detail: detailOf({
    role: { word: "s.role" },
    maxConcurrentTasks: { number: "s.max_concurrent_tasks" },
    capabilitiesChanged: { flag: "CASE WHEN s.set_no <> s.was_set_no THEN 1 ELSE 0 END" },
    metadataChanged: { flag: "s.metadata_changed" },
  }),
  from: `FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no
WHERE s.role <> s.was_role OR s.set_no <> s.was_set_no OR s.max_concurrent_tasks <> s.was_max OR s.metadata_changed = 1`,
})}`;

/**
 * Writes the changes of @status_changes, the counts of workers per capability set and in all, and the audit; the change of a
 * status is stamped with the time. Loses the race when an agent is not what the batch read. Inside the transaction, before anything of
 * tasks or messages. @status_changes stays, for the caller to empty or read.
 */
export const CHANGE_STATUS = `SELECT @statusChanges = COUNT(*) FROM @status_changes;
IF @statusChanges > 0
BEGIN
  UPDATE l SET set_no = s.set_no, max_concurrent_tasks = s.max_concurrent_tasks,
    working = CASE WHEN s.role = 'worker' AND s.status = 'active' THEN 1 ELSE 0 END
  FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  WHERE l.set_no = s.was_set_no AND l.max_concurrent_tasks = s.was_max
  ${BY_KEY};
  ${raceUnless("@statusChanges")}
  UPDATE a SET role = s.role, status = s.status, set_no = s.set_no,
    status_changed_at = CASE WHEN s.status = a.status THEN a.status_changed_at ELSE @now END,
    mailbox_left = CASE WHEN s.status = 'deregistered' AND a.status <> 'deregistered' THEN 1
      WHEN s.status <> 'deregistered' THEN 0 ELSE a.mailbox_left END
  FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no
  WHERE a.role = s.was_role AND a.status = s.was_status AND a.set_no = s.was_set_no
  ${BY_KEY};
  ${raceUnless("@statusChanges")}
  UPDATE h SET beating = CASE WHEN s.status IN ('active', 'draining') THEN 1 ELSE 0 END,
    last_heartbeat_at = CASE WHEN s.beats = 1 THEN @now ELSE h.last_heartbeat_at END
  FROM @status_changes AS s JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
  WHERE s.silent_since IS NULL OR h.last_heartbeat_at <= s.silent_since
  ${BY_KEY};
  ${raceUnless("@statusChanges")}
  INSERT INTO @counts (name, delta)
  SELECT d.name, d.delta
  FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  ${WAS_AND_IS}
  CROSS APPLY (VALUES ('agents:workers', w.is_worker - w.was_worker),
    (CONCAT('set:', s.was_set_no, ':workers'), -w.was_worker), (CONCAT('set:', s.set_no, ':workers'), w.is_worker),
    (CONCAT('set:', s.was_set_no, ':active'), -w.was_active), (CONCAT('set:', s.set_no, ':active'), w.is_active),
    (CONCAT('set:', s.was_set_no, ':free'), -w.was_free), (CONCAT('set:', s.set_no, ':free'), w.is_free)) AS d (name, delta)
  WHERE d.delta <> 0;
  ${RECORD_CHANGES}END;
`;
