import type { Agent, RegisterAgent } from "../../agents/agent.ts";
import { newId } from "../../ids.ts";
import { HANDOUTS_PER_CALL } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import { type RegistrationRefusal, registrationRefusal } from "../registration-refusals.ts";
import type { RegistrationAuthority } from "../store.ts";
import {
  AGENT_COLUMNS,
  AGENT_JOINS,
  type AgentRow,
  CHANGE_STATUS,
  DECLARE_STATUS_CHANGES,
  readAgent,
} from "./agent-rows.ts";
import { detailOf, recordRows } from "./audit.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import {
  DECLARE_CAPABILITY_SETS,
  DECLARE_ENTERING,
  ENTER_SETS,
  encodeCapabilities,
  INTERN_CAPABILITY_SETS,
  LEAVE_SETS,
} from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { itemJson, plainJson } from "./item-text.ts";
import {
  AUTHORISE,
  CHECK_AUTHORISED,
  DECLARE_AUTHORITIES,
  encodeAuthority,
  LOCK_FIRST_ADMIN,
  WRITE_ENROLMENTS,
} from "./registration-authority.ts";
import { sqlText } from "./texts.ts";
import {
  APPLY_COUNTS,
  BIN2,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  HASH,
  ID,
  LOSE_RACE,
  PROLOGUE,
  SELECT_DELIVERABLE,
  WORD,
} from "./transaction.ts";

/** Registering: a file apart from agents.ts, which would be too long with it. */

const DECLARE_REGISTERING = `DECLARE @registering TABLE (agent_id ${ID} NOT NULL PRIMARY KEY, item int NOT NULL, role ${WORD} NOT NULL,
  capabilities_hash ${HASH} NOT NULL, max_concurrent_tasks int NOT NULL,
  operation_id uniqueidentifier NOT NULL, actor ${ID} NOT NULL, set_no int NULL, agent_no int NULL, is_new bit NOT NULL DEFAULT 0,
  created bit NOT NULL DEFAULT 0);
`;

/** The metadata of those calls that have some. */
const METADATA = `SELECT CAST(i.[key] AS int) AS item, ${plainJson("v.value")} AS metadata
FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v WHERE v.[key] = 'metadata' AND v.value IS NOT NULL`;

const READ = `INSERT INTO @registering (agent_id, item, role, capabilities_hash, max_concurrent_tasks, operation_id, actor, set_no)
SELECT j.agent_id, j.item, j.role, j.capabilities_hash, j.max_concurrent_tasks, j.operation_id, j.actor, c.set_no
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', role varchar(24) '$.role',
  capabilities_hash varchar(43) '$.capabilitiesHash', max_concurrent_tasks int '$.maxConcurrentTasks',
  operation_id uniqueidentifier '$.operationId', actor varchar(128)) AS j
LEFT JOIN dbo.capability_sets AS c ON c.capabilities_hash = j.capabilities_hash ${BIN2} AND c.paired = 1;
`;

/**
 * Interns the sets of what is to be registered, and finds those that exist, with their state. (Long values are read from the
 * default columns of OPENJSON: a WITH clause may cut them at 4,000 characters.)
 */
const PREPARE = `IF EXISTS (SELECT 1 FROM @registering AS r WHERE r.set_no IS NULL)
BEGIN
  ${DECLARE_CAPABILITY_SETS}
  INSERT INTO @sets (capabilities_hash, capabilities)
  SELECT r.capabilities_hash, MAX(v.value)
  FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v JOIN @registering AS r ON r.item = i.[key]
  WHERE v.[key] = 'capabilities' AND r.set_no IS NULL GROUP BY r.capabilities_hash;
  ${INTERN_CAPABILITY_SETS}
  UPDATE r SET set_no = c.set_no
  FROM @registering AS r JOIN dbo.capability_sets AS c ON c.capabilities_hash = r.capabilities_hash WHERE r.set_no IS NULL;
  IF EXISTS (SELECT 1 FROM @registering AS r WHERE r.set_no IS NULL) ${LOSE_RACE}
END;
UPDATE r SET agent_no = a.agent_no, created = CASE WHEN a.operation_id = r.operation_id THEN 1 ELSE 0 END
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id;
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor, metadata_changed)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, r.role, 'active', r.set_no,
  r.max_concurrent_tasks, 1, NULL, r.actor, CASE WHEN COALESCE(m.metadata, N'') ${BIN2} = COALESCE(n.metadata, N'')
    AND COALESCE(DATALENGTH(m.metadata), 0) = COALESCE(DATALENGTH(n.metadata), 0) THEN 0 ELSE 1 END
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_no = r.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = r.agent_no
LEFT JOIN (${METADATA}) AS n ON n.item = r.item;
INSERT INTO @entering (set_no)
SELECT DISTINCT r.set_no FROM @registering AS r LEFT JOIN @status_changes AS s ON s.agent_no = r.agent_no
WHERE s.agent_no IS NULL OR s.was_status = 'deregistered' OR s.was_set_no <> s.set_no;
`;

/**
 * An agent's row comes before its load, against the lock order, because the load refers to it: nobody else can hold either.
 * Who registers the same id at once loses by the unique id, and finds the agent when it tries again.
 */
const INSERT_NEW = `INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at, operation_id)
SELECT r.agent_id, r.role, 'active', r.set_no, @now, @now, r.operation_id
FROM @registering AS r WHERE r.agent_no IS NULL ORDER BY r.agent_id;
IF @@ROWCOUNT > 0
BEGIN
  UPDATE r SET agent_no = a.agent_no, is_new = 1, created = 1
  FROM @registering AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id WHERE r.agent_no IS NULL;
  INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
  SELECT r.agent_no, r.agent_id, r.set_no, CASE WHEN r.role = 'worker' THEN 1 ELSE 0 END, r.max_concurrent_tasks
  FROM @registering AS r WHERE r.is_new = 1;
  INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, beating)
  SELECT r.agent_no, @now, 1 FROM @registering AS r WHERE r.is_new = 1;
  INSERT INTO @counts (name, delta)
  SELECT d.name, 1 FROM @registering AS r
  CROSS APPLY (VALUES ('agents:workers', 1), (CONCAT('set:', r.set_no, ':workers'), 1), (CONCAT('set:', r.set_no, ':active'), 1),
    (CONCAT('set:', r.set_no, ':free'), CASE WHEN r.max_concurrent_tasks > 0 THEN 1 ELSE 0 END)) AS d (name, counts)
  WHERE r.is_new = 1 AND r.role = 'worker' AND d.counts = 1;
  ${recordRows({
    actor: "r.actor",
    action: "'agent.registered'",
    subjectKind: "'agent'",
    subjectId: "r.agent_id",
    detail: detailOf({
      role: { word: "r.role" },
      status: { word: "'active'" },
      maxConcurrentTasks: { number: "r.max_concurrent_tasks" },
    }),
    from: "FROM @registering AS r WHERE r.is_new = 1 ORDER BY r.item",
  })}END;
`;

const WRITE_METADATA = `DELETE m FROM @registering AS r JOIN dbo.agent_metadata AS m ON m.agent_no = r.agent_no WHERE r.is_new = 0;
INSERT INTO dbo.agent_metadata (agent_no, metadata)
SELECT r.agent_no, n.metadata FROM (${METADATA}) AS n JOIN @registering AS r ON r.item = n.item;
`;

const INSERT_COUNTERS = `INSERT INTO dbo.counters (name, slot)
SELECT CONCAT('mailbox:', r.agent_no), s.slot
FROM @registering AS r CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot) WHERE r.is_new = 1;
`;

const DECLARE = `${PROLOGUE}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_HAND_OUT}${DECLARE_STATUS_CHANGES}${DECLARE_ENTERING}${DECLARE_REGISTERING}`;
const WRITE = `${ENTER_SETS}${CHANGE_STATUS}${INSERT_NEW}${WRITE_METADATA}`;
const HAND_OUT_TO_REGISTERED = `${LEAVE_SETS}INSERT INTO @freed (agent_no)
SELECT l.agent_no FROM @registering AS r JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no WHERE l.assignable = 1;
SET @handOutLimit = ${HANDOUTS_PER_CALL} * (SELECT COUNT(*) FROM @registering);
${HAND_OUT}
`;
const SELECT_AGENTS = `SELECT r.item, ${AGENT_COLUMNS}
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_no = r.agent_no
${AGENT_JOINS};
`;

const SQL = sqlText(
  "register-agents",
  `${DECLARE}${READ}${PREPARE}
BEGIN TRANSACTION;
${WRITE}${INSERT_COUNTERS}${APPLY_COUNTS}COMMIT TRANSACTION;
${HAND_OUT_TO_REGISTERED}SELECT r.item, NULL AS code, NULL AS subject, r.created FROM @registering AS r;
${SELECT_DELIVERABLE}${SELECT_AGENTS}`,
);

/** The same with authorities to be looked at. Who repeats an enrolment has not had the answer to the first one: it reads as that did. */
const AUTHORISED_SQL = sqlText(
  "register-agents with authorities",
  `${DECLARE}${DECLARE_AUTHORITIES}${READ}${AUTHORISE}IF EXISTS (SELECT 1 FROM @registering)
BEGIN
  ${PREPARE}${CHECK_AUTHORISED}
  BEGIN TRANSACTION;
  ${LOCK_FIRST_ADMIN}${WRITE}${WRITE_ENROLMENTS}${INSERT_COUNTERS}${APPLY_COUNTS}COMMIT TRANSACTION;
  ${HAND_OUT_TO_REGISTERED}
END;
SELECT r.item, NULL AS code, NULL AS subject, CASE WHEN x.kind = 'enrolment' THEN 1 ELSE r.created END AS created
FROM @registering AS r LEFT JOIN @authorities AS x ON x.item = r.item
UNION ALL SELECT x.item, x.refusal, NULL, 0 FROM @authorities AS x WHERE x.refusal IS NOT NULL;
${SELECT_DELIVERABLE}${SELECT_AGENTS}`,
);

interface Registration {
  agent: RegisterAgent;
  authority: RegistrationAuthority | undefined;
  /** Made before the first try: the repeat after a lost answer is answered as the first. */
  operationId: string;
}

interface RegisteredRow extends OutcomeRow {
  code: RegistrationRefusal | null;
  created: boolean | number;
}

const REGISTER: Batch<Registration, { agent: Agent; created: boolean }> = {
  name: "register-agents",
  sql: (items) => (items.some(({ authority }) => authority !== undefined) ? AUTHORISED_SQL : SQL),
  encode: ({ agent, authority, operationId }) => ({
    agentId: agent.agentId,
    role: agent.role,
    ...encodeCapabilities(agent.capabilities),
    maxConcurrentTasks: agent.maxConcurrentTasks,
    metadata: agent.metadata === undefined ? null : itemJson(agent.metadata),
    operationId,
    actor: actorOf(agent.agentId),
    authority: encodeAuthority(agent, authority),
  }),
  decode(result, items) {
    const rows = result.byItem<AgentRow & { item: number }>(2);
    const outcomes = outcomeRows<RegisteredRow>(result, items);
    return items.map(({ agent }, item) => {
      const { code, created } = outcomes[item] ?? { code: null, created: false };
      if (code !== null) return { refusal: registrationRefusal(code, agent) };
      const row = rows.get(item)?.[0];
      if (row === undefined) throw new Error("the registered agent's row was not returned");
      return { value: { agent: readAgent(row), created: Boolean(created) } };
    });
  },
  maxItems: 50,
  conflictKey: ({ agent }) => agent.agentId,
  wakes: true,
};

/**
 * Creates, or updates and reactivates; then hands waiting work to a worker that has room.
 *
 * @throws AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, UNAUTHENTICATED, as the authority has it
 */
export async function registerAgent(
  connection: Connection,
  agent: RegisterAgent,
  authority?: RegistrationAuthority,
): Promise<{ agent: Agent; created: boolean }> {
  return connection.run(REGISTER, { agent, authority, operationId: newId(connection.clock.now()) });
}
