import { canonicalCapabilities, capabilitiesHash } from "../capabilities.ts";
import type { CopiedAgent, CopiedMessageType } from "../copy/copied-rows.ts";
import { copiedTable, JSON_TEXT, makeCounters, readPage, writePage } from "./copied-table.ts";
import { APPLY_COUNTS, DECLARE_CAPABILITY_SETS, DECLARE_COUNTS, INTERN_CAPABILITY_SETS } from "./copy-parts.ts";
import { HASH, ID, TYPE, WORD } from "./transaction.ts";

/** Message types and agents as a copy brings them. */

const TYPE_ROW = { type: `${TYPE} NOT NULL`, schema: JSON_TEXT, updated_at: "bigint" };

export const copyMessageTypes = copiedTable<CopiedMessageType>({
  name: "copy-message-types",
  idOf: (row) => row.type,
  find: `SELECT a.id AS asked, t.[schema], t.updated_at FROM @asked AS a JOIN dbo.message_types AS t ON t.type = a.id`,
  encode: (rows) => writePage("rows", rows, TYPE_ROW),
  add: `${readPage("@rows", "rows", TYPE_ROW)}
BEGIN TRANSACTION;
INSERT INTO dbo.message_types (type, [schema], updated_at)
SELECT r.type, r.[schema], r.updated_at FROM @rows AS r
WHERE NOT EXISTS (SELECT 1 FROM dbo.message_types AS t WHERE t.type = r.type);
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});

/** The capabilities of a stored set: a JSON array of text. */
export function storedCapabilities(stored: string): string[] {
  const parsed: unknown = JSON.parse(stored);
  if (!Array.isArray(parsed)) throw new Error(`not a capability set: ${stored.slice(0, 80)}`);
  return parsed.map(String);
}

/** The different sets of some rows, as the interning fragments read them. */
export function distinctSets(rows: readonly { capabilities: string }[]) {
  return [...new Set(rows.map((row) => row.capabilities))].map((stored) => {
    const capabilities = storedCapabilities(stored);
    return {
      capabilities_hash: capabilitiesHash(capabilities),
      capabilities: JSON.stringify(canonicalCapabilities(capabilities)),
    };
  });
}

/** The row with the hash of its capabilities, by which their number is found. */
export function hashed<Row extends { capabilities: string }>(row: Row): Row & { capabilities_hash: string } {
  return { ...row, capabilities_hash: capabilitiesHash(storedCapabilities(row.capabilities)) };
}

/** A capability set, or a demand. */
export const SET = { capabilities_hash: HASH, capabilities: JSON_TEXT };

const AGENT = {
  agent_id: `${ID} NOT NULL`,
  role: WORD,
  status: WORD,
  capabilities_hash: HASH,
  max_concurrent_tasks: "int",
  registered_at: "bigint",
  last_heartbeat_at: "bigint",
  heartbeat_timeout_seconds: "int",
  status_changed_at: "bigint",
  last_assigned_at: "bigint",
  completed: "int",
  failed: "int",
  lost: "int",
  released: "int",
  completed_milliseconds: "bigint",
  p95_milliseconds: "bigint",
  metadata: JSON_TEXT,
  mailbox_left: "bit",
};

/** Agents come without load: the tasks that they hold bring it with them, so that it equals them in every commit. */
export const copyAgents = copiedTable<CopiedAgent>({
  name: "copy-agents",
  idOf: (row) => row.agent_id,
  find: `SELECT i.id AS asked, a.role, a.status, c.capabilities, l.max_concurrent_tasks, a.registered_at, h.last_heartbeat_at
FROM @asked AS i JOIN dbo.agents AS a ON a.agent_id = i.id
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no`,
  encode: (rows) => ({ ...writePage("rows", rows.map(hashed), AGENT), ...writePage("sets", distinctSets(rows), SET) }),
  add: `${DECLARE_COUNTS}${DECLARE_CAPABILITY_SETS}${readPage("@sets_read", "sets", SET)}INSERT INTO @sets (capabilities_hash, capabilities)
SELECT s.capabilities_hash, s.capabilities FROM @sets_read AS s;
${INTERN_CAPABILITY_SETS}${readPage("@rows", "rows", AGENT)}
DELETE r FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id;
BEGIN TRANSACTION;
INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at, mailbox_left)
SELECT r.agent_id, r.role, r.status, c.set_no, r.registered_at, r.status_changed_at, r.mailbox_left
FROM @rows AS r LEFT JOIN dbo.capability_sets AS c ON c.capabilities_hash = r.capabilities_hash ORDER BY r.position;
SET @added = @@ROWCOUNT;
INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks, last_assigned_at, completed, failed, lost, released,
  completed_milliseconds, p95_milliseconds)
SELECT a.agent_no, a.agent_id, a.set_no, CASE WHEN a.role = 'worker' AND a.status = 'active' THEN 1 ELSE 0 END,
  r.max_concurrent_tasks, r.last_assigned_at, r.completed, r.failed, r.lost, r.released, r.completed_milliseconds, r.p95_milliseconds
FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id;
INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, heartbeat_timeout_seconds, beating)
SELECT a.agent_no, r.last_heartbeat_at, r.heartbeat_timeout_seconds, CASE WHEN a.status IN ('active', 'draining') THEN 1 ELSE 0 END
FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id;
INSERT INTO dbo.agent_metadata (agent_no, metadata)
SELECT a.agent_no, r.metadata FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id WHERE r.metadata IS NOT NULL;
${makeCounters("SELECT CONCAT('mailbox:', a.agent_no) FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id")}
INSERT INTO @counts (name, delta)
SELECT c.name, c.delta FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
CROSS APPLY (VALUES ('agents:workers', 1), (CONCAT('set:', a.set_no, ':workers'), 1),
  (CONCAT('set:', a.set_no, ':active'), CAST(l.working AS int)), (CONCAT('set:', a.set_no, ':free'), CAST(l.assignable AS int))) AS c (name, delta)
WHERE a.role = 'worker' AND a.status <> 'deregistered';
${APPLY_COUNTS}COMMIT TRANSACTION;
`,
});
