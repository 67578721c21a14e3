import type { Agent, HeartbeatReply, RegisterAgent } from "../../model/agent.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { RELEASES_PER_TRANSACTION } from "../../model/limits.ts";
import { actorOf } from "../../trace/call-context.ts";
import { BEFORE_AGENTS, readStoredAgent } from "../agent-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import { LIVE_STATUSES, sqlWords } from "../rules/task-outcomes.ts";
import type { Heartbeat, HeartbeatAnswer, ListAgents, Paged, RegistrationAuthority } from "../store.ts";
import {
  AGENT_COLUMNS,
  type AgentRow,
  agentByNo,
  changeAgent,
  countAgent,
  findAgent,
  hasFreeSlot,
  moveSetCounts,
  recordStatus,
  requireAgent,
  requireRegistered,
  writeAgent,
} from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { capabilitiesOfSet, dropSetIfUnused, internCapabilitySet, setsThatMeet } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { issueWithin } from "./credentials.ts";
import { handOutToAgent } from "./hand-out.ts";
import { findPending } from "./pending-messages.ts";
import { authoriseRegistration, writeEnrolment } from "./registration-authority.ts";
import { releaseTasks } from "./release-tasks.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Creates, or updates and reactivates; then hands waiting work to a worker that has room.
 *
 * @throws AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, UNAUTHENTICATED, as the authority has it
 */
export function registerAgent(
  transaction: Transaction,
  input: RegisterAgent,
  authority?: RegistrationAuthority,
): { agent: Agent; created: boolean } {
  const known = findAgent(transaction, input.agentId);
  const enrolment = authoriseRegistration(transaction, input, known, authority);
  const setNo = internCapabilitySet(transaction, input.capabilities);
  const actor = actorOf(input.agentId, transaction.call);
  const agent = known ?? insertAgent(transaction, input, setNo, actor);
  const metadataChanged = writeMetadata(transaction, agent.agent_no, input.metadata);
  if (known !== undefined) {
    const changes = {
      role: input.role,
      status: "active",
      set_no: setNo,
      max_concurrent_tasks: input.maxConcurrentTasks,
      last_heartbeat_at: transaction.now,
      heartbeat_timeout_seconds: input.heartbeatTimeoutSeconds ?? null,
    } as const;
    const { set_no: oldSetNo } = known;
    changeAgent(transaction, known, changes, { actor, metadataChanged });
    if (oldSetNo !== setNo) dropSetIfUnused(transaction, oldSetNo);
  }
  if (enrolment !== undefined) writeEnrolment(transaction, agent, enrolment, actor);
  if (authority?.kind === "first_admin") {
    issueWithin(transaction, { kind: "token", agentId: agent.agent_id, ...authority.token });
  }
  if (hasFreeSlot(agent)) handOutToAgent(transaction, agent);
  // Who repeats an enrolment has not had the answer to the first one: it reads as that did.
  const created = known === undefined || enrolment !== undefined;
  return { agent: readAgent(transaction, agentByNo(transaction, agent.agent_no)), created };
}

const INSERT = `INSERT INTO agents (agent_id, role, status, set_no, max_concurrent_tasks, registered_at, last_heartbeat_at,
  status_changed_at, heartbeat_timeout_seconds) VALUES (?, ?, 'active', ?, ?, ?, ?, ?, ?) RETURNING ${AGENT_COLUMNS}`;

function insertAgent(transaction: Transaction, input: RegisterAgent, setNo: number, actor: string): AgentRow {
  const { now } = transaction;
  const { agentId, role, maxConcurrentTasks } = input;
  const own = input.heartbeatTimeoutSeconds ?? null;
  const agent = transaction.get<AgentRow>(INSERT, agentId, role, setNo, maxConcurrentTasks, now, now, now, own);
  if (agent === undefined) throw new Error("the new agent's row was not returned");
  countAgent(transaction, agent, 1);
  moveSetCounts(transaction, undefined, agent);
  const detail = { role, status: agent.status, maxConcurrentTasks };
  audit(transaction, { actor, action: "agent.registered", subjectKind: "agent", subjectId: agentId, detail });
  return agent;
}

const METADATA = "SELECT metadata FROM agent_metadata WHERE agent_no = ?";

/** @returns whether it is other than before */
function writeMetadata(transaction: Transaction, agentNo: number, metadata: RegisterAgent["metadata"]): boolean {
  const before = transaction.get<{ metadata: string }>(METADATA, agentNo)?.metadata;
  const text = metadata === undefined ? undefined : jsonTextOf(metadata).text;
  if (text === before) return false;
  if (text === undefined) transaction.run("DELETE FROM agent_metadata WHERE agent_no = ?", agentNo);
  else {
    const sql = "INSERT INTO agent_metadata VALUES (?, ?) ON CONFLICT DO UPDATE SET metadata = excluded.metadata";
    transaction.run(sql, agentNo, text);
  }
  return true;
}

/** @throws AGENT_NOT_FOUND */
export function getAgent(transaction: Transaction, agentId: string): Agent {
  return readAgent(transaction, requireAgent(transaction, agentId));
}

function readAgent(transaction: Transaction, row: AgentRow): Agent {
  const metadata = transaction.get<{ metadata: string }>(METADATA, row.agent_no)?.metadata;
  return readStoredAgent(row, capabilitiesOfSet(transaction, row.set_no), metadata);
}

const MATE = `(agent_id = ? OR agent_no IN (SELECT m.agent_no FROM agents o
  CROSS JOIN channel_members x ON x.agent_no = o.agent_no CROSS JOIN channel_members m ON m.channel_no = x.channel_no WHERE o.agent_id = ?))`;

/** By id. Each filter has an index in the order of the list; the rarer ones are checked on its rows. */
export function listAgents(transaction: Transaction, query: ListAgents): Paged<Agent> {
  const { role, capability, status, registered = false, matesOf, limit } = query;
  const filters = { list: "agents", role, capability, status, registered, matesOf };
  const after = String(decodeCursor(filters, query.cursor, "text")?.[0] ?? BEFORE_AGENTS);
  const where = ["agent_id > ?"];
  const parameters: (string | number)[] = [after];
  if (role !== undefined) where.push("role = ?") && parameters.push(role);
  if (status !== undefined) where.push("status = ?") && parameters.push(status);
  if (capability !== undefined) {
    where.push("set_no IN (SELECT value FROM json_each(?))");
    parameters.push(JSON.stringify(setsThatMeet(transaction, [capability])));
  }
  if (registered) where.push("status <> 'deregistered'");
  if (matesOf !== undefined) where.push(MATE) && parameters.push(matesOf, matesOf);
  const sql = `SELECT ${AGENT_COLUMNS} FROM agents WHERE ${where.join(" AND ")} ORDER BY agent_id LIMIT ?`;
  const rows = transaction.all<AgentRow>(sql, ...parameters, limit + 1);
  return takePage(
    rows,
    limit,
    (row) => readAgent(transaction, row),
    (last) => encodeCursor(filters, [last.agent_id]),
  );
}

/**
 * Releases its tasks without using a retry; repeating it changes nothing. In as many transactions as its tasks take: until
 * the last one it reads as draining. Cut off in between, it is so until it deregisters again, or falls silent.
 *
 * @throws AGENT_NOT_FOUND
 */
export async function deregisterAgent(connection: Connection, agentId: string): Promise<Agent> {
  for (;;) {
    const agent = await connection.write((transaction) => leave(transaction, agentId));
    if (agent !== undefined) return agent;
  }
}

/** @returns undefined while it holds more tasks */
function leave(transaction: Transaction, agentId: string): Agent | undefined {
  const agent = requireAgent(transaction, agentId);
  const { status } = agent;
  if (status === "deregistered") return readAgent(transaction, agent);
  const actor = actorOf(agentId, transaction.call);
  const last = agent.active_tasks <= RELEASES_PER_TRANSACTION;
  // First out of the candidates, so that its own tasks do not come back to it.
  if (status !== "draining") {
    if (last) writeAgent(transaction, agent, { status: "draining" });
    else changeAgent(transaction, agent, { status: "draining" }, { actor });
  }
  releaseTasks(transaction, agent, "released", RELEASES_PER_TRANSACTION);
  if (!last) return undefined;
  const gone = agentByNo(transaction, agent.agent_no);
  writeAgent(transaction, gone, { status: "deregistered" });
  recordStatus(transaction, gone, status, actor);
  return readAgent(transaction, agentByNo(transaction, agent.agent_no));
}

/** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
export function heartbeat(transaction: Transaction, beat: Heartbeat): HeartbeatAnswer {
  const agent = requireRegistered(transaction, beat.agentId);
  const status = beat.status ?? (agent.status === "inactive" ? "active" : agent.status);
  const max = beat.maxConcurrentTasks ?? agent.max_concurrent_tasks;
  const gainsRoom = (status === "active" && agent.status !== "active") || max > agent.max_concurrent_tasks;
  if (status === agent.status && max === agent.max_concurrent_tasks) {
    // The common beat: no count depends on its time.
    transaction.runOnAgent(
      "UPDATE agents SET last_heartbeat_at = ? WHERE agent_no = ?",
      transaction.now,
      agent.agent_no,
    );
    agent.last_heartbeat_at = transaction.now;
  } else {
    const actor = actorOf(beat.agentId, transaction.call);
    const changes = { status, max_concurrent_tasks: max, last_heartbeat_at: transaction.now };
    changeAgent(transaction, agent, changes, { actor });
  }
  if (gainsRoom && hasFreeSlot(agent)) handOutToAgent(transaction, agent);
  return {
    status,
    heartbeatTimeoutSeconds: agent.heartbeat_timeout_seconds,
    ...findPending(transaction, agent.agent_no),
    tasks: liveTasks(transaction, agent),
  };
}

const LIVE_TASKS = `SELECT task_id, attempt, cancel_requested FROM tasks
  WHERE agent_no = ? AND status IN (${sqlWords(LIVE_STATUSES)}) ORDER BY task_no`;

function liveTasks(transaction: Transaction, agent: AgentRow): HeartbeatReply["tasks"] {
  return transaction
    .all<{ task_id: string; attempt: number; cancel_requested: number }>(LIVE_TASKS, agent.agent_no)
    .map((row) => ({ taskId: row.task_id, attempt: row.attempt, cancelRequested: row.cancel_requested === 1 }));
}
