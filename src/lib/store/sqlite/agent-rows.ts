import type { SQLInputValue } from "node:sqlite";
import type { AgentRole, AgentStatus } from "../../model/agent.ts";
import { CHANNEL_SIGIL } from "../../model/values.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import { audit } from "./audit.ts";
import { matchSet, unmatchSet } from "./capability-sets.ts";
import type { Transaction } from "./transaction.ts";

/** The row of an agent, and the one function that changes it, so that every count follows every change. */

export interface AgentRow {
  agent_no: number;
  agent_id: string;
  role: AgentRole;
  status: AgentStatus;
  set_no: number;
  max_concurrent_tasks: number;
  active_tasks: number;
  registered_at: number;
  last_heartbeat_at: number;
  /** Its own; null: the setting. silent_at follows from it and the last heartbeat. */
  heartbeat_timeout_seconds: number | null;
  status_changed_at: number;
  last_assigned_at: number;
  completed: number;
  failed: number;
  lost: number;
  released: number;
  completed_milliseconds: number;
  p95_milliseconds: number | null;
}

/** Columns of an AgentRow, for SELECT. */
export const AGENT_COLUMNS =
  "agent_no, agent_id, role, status, set_no, max_concurrent_tasks, active_tasks, registered_at, last_heartbeat_at, heartbeat_timeout_seconds, status_changed_at, last_assigned_at, completed, failed, lost, released, completed_milliseconds, p95_milliseconds";

const BY_ID = `SELECT ${AGENT_COLUMNS} FROM agents WHERE agent_id = ?`;
const BY_NO = `SELECT ${AGENT_COLUMNS} FROM agents WHERE agent_no = ?`;

export function findAgent(transaction: Transaction, agentId: string): AgentRow | undefined {
  const cached = transaction.cachedAgent(agentId);
  if (cached !== undefined) return cached;
  const agent = transaction.get<AgentRow>(BY_ID, agentId);
  return agent === undefined ? undefined : transaction.cacheAgent(agent);
}

/** The agent of a number that another row refers to, so it exists. */
export function agentByNo(transaction: Transaction, agentNo: number): AgentRow {
  const cached = transaction.cachedAgentByNo(agentNo);
  if (cached !== undefined) return cached;
  const agent = transaction.get<AgentRow>(BY_NO, agentNo);
  if (agent === undefined) throw new Error(`agent number ${agentNo} is referred to but does not exist`);
  return transaction.cacheAgent(agent);
}

/** @throws AGENT_NOT_FOUND */
export function requireAgent(transaction: Transaction, agentId: string): AgentRow {
  const agent = findAgent(transaction, agentId);
  if (agent === undefined) throw agentNotFound(agentId);
  return agent;
}

/** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
export function requireRegistered(transaction: Transaction, agentId: string): AgentRow {
  const agent = requireAgent(transaction, agentId);
  if (agent.status === "deregistered") throw agentDeregistered(agentId);
  return agent;
}

/** What may change of an agent. */
export type AgentChanges = Partial<Omit<AgentRow, "agent_no" | "agent_id" | "registered_at" | "p95_milliseconds">>;

const CHANGEABLE = [
  "role",
  "status",
  "set_no",
  "max_concurrent_tasks",
  "active_tasks",
  "last_heartbeat_at",
  "heartbeat_timeout_seconds",
  "status_changed_at",
  "last_assigned_at",
  "completed",
  "failed",
  "lost",
  "released",
  "completed_milliseconds",
] as const satisfies readonly (keyof AgentRow)[];

/** Who changes an agent, and what else of it changes. */
interface ChangedBy {
  /** Left out: the switchboard. */
  actor?: string;
  metadataChanged?: boolean;
}

/**
 * Writes the changes to the row, to `agent` itself, to every count that depends on them, and to the audit: there, loads and
 * heartbeats are no changes.
 */
export function changeAgent(
  transaction: Transaction,
  agent: AgentRow,
  changes: AgentChanges,
  { actor = SYSTEM_ACTOR, metadataChanged = false }: ChangedBy = {},
): void {
  const before = writeAgent(transaction, agent, changes);
  if (agent.status !== before.status) recordStatus(transaction, agent, before.status, actor);
  const capabilitiesChanged = agent.set_no !== before.set_no;
  const { role, max_concurrent_tasks: maxConcurrentTasks } = agent;
  const changed = role !== before.role || maxConcurrentTasks !== before.max_concurrent_tasks;
  const heartbeatTimeoutChanged = agent.heartbeat_timeout_seconds !== before.heartbeat_timeout_seconds;
  if (!changed && !capabilitiesChanged && !metadataChanged && !heartbeatTimeoutChanged) return;
  const detail = { role, maxConcurrentTasks, capabilitiesChanged, metadataChanged, heartbeatTimeoutChanged };
  audit(transaction, { actor, action: "agent.changed", subjectKind: "agent", subjectId: agent.agent_id, detail });
}

/** Records that the status of an agent has changed. */
export function recordStatus(transaction: Transaction, agent: AgentRow, from: AgentStatus, actor: string): void {
  const action = agent.status === "deregistered" ? "agent.deregistered" : "agent.status_changed";
  const detail = { from, to: agent.status };
  audit(transaction, { actor, action, subjectKind: "agent", subjectId: agent.agent_id, detail });
}

/**
 * The part of `changeAgent` that records nothing: the row and every count that depends on it, by role and status, load, and the
 * workers of its capability set. The status change is stamped with the time.
 *
 * @returns the row as it was
 */
export function writeAgent(transaction: Transaction, agent: AgentRow, changes: AgentChanges): AgentRow {
  const before = { ...agent };
  Object.assign(agent, changes);
  if (agent.status !== before.status) agent.status_changed_at = transaction.now;
  // A caller may hold a row read apart from the cache; the cache must not keep the older one.
  transaction.cacheAgent(agent);
  updateAgent(transaction, before, agent);
  countAgent(transaction, before, -1);
  countAgent(transaction, agent, 1);
  moveSetCounts(transaction, before, agent);
  return before;
}

/** Names only the columns that changed: SQLite rewrites the entries of every index that a named column is in. */
function updateAgent(transaction: Transaction, before: AgentRow, agent: AgentRow): void {
  const changed = CHANGEABLE.filter((column) => agent[column] !== before[column]);
  if (changed.length === 0) return;
  const columns = changed.map((column) => `${column} = ?`).join(", ");
  const values: SQLInputValue[] = changed.map((column) => agent[column]);
  transaction.runOnAgent(`UPDATE agents SET ${columns} WHERE agent_no = ?`, ...values, agent.agent_no);
}

/** Adds `sign` times what the agent contributes to the counters; the mailbox of a channel is no agent. */
export function countAgent(transaction: Transaction, agent: AgentRow, sign: 1 | -1): void {
  if (agent.status === "deregistered" || agent.agent_id.startsWith(CHANNEL_SIGIL)) return;
  transaction.count(`agents:role:${agent.role}`, sign);
  transaction.count(`agents:status:${agent.status}`, sign);
  if (agent.role !== "worker" || agent.status !== "active" || agent.max_concurrent_tasks === 0) return;
  transaction.count(`load:workers:${agent.max_concurrent_tasks}`, sign);
  transaction.count(`load:tasks:${agent.max_concurrent_tasks}`, sign * agent.active_tasks);
}

/** True when a task may be assigned to it now. */
export function hasFreeSlot(agent: AgentRow): boolean {
  return agent.role === "worker" && agent.status === "active" && agent.active_tasks < agent.max_concurrent_tasks;
}

interface SetCounts {
  workers: number;
  active: number;
  free: number;
}

function setCounts(agent: AgentRow | undefined): SetCounts {
  const worker = agent !== undefined && agent.role === "worker" && agent.status !== "deregistered";
  const active = worker && agent.status === "active";
  return { workers: Number(worker), active: Number(active), free: Number(active && hasFreeSlot(agent)) };
}

/** Moves the counts of workers per capability set; `before` is undefined for a new agent. */
export function moveSetCounts(
  transaction: Transaction,
  before: AgentRow | undefined,
  after: AgentRow | undefined,
): void {
  const old = setCounts(before);
  const now = setCounts(after);
  if (before !== undefined && after !== undefined && before.set_no === after.set_no) {
    const delta = { workers: now.workers - old.workers, active: now.active - old.active, free: now.free - old.free };
    addSetCounts(transaction, after.set_no, delta);
    return;
  }
  if (before !== undefined) {
    addSetCounts(transaction, before.set_no, { workers: -old.workers, active: -old.active, free: -old.free });
  }
  if (after !== undefined) addSetCounts(transaction, after.set_no, now);
}

function addSetCounts(transaction: Transaction, setNo: number, delta: SetCounts): void {
  if (delta.workers === 0 && delta.active === 0 && delta.free === 0) return;
  transaction.run(ADD_SET_COUNTS, delta.workers, delta.active, delta.free, setNo);
  if (delta.workers === 0) return;
  const workers = transaction.get<{ workers: number }>(WORKERS, setNo)?.workers ?? 0;
  if (workers === 0) unmatchSet(transaction, setNo);
  else if (workers === delta.workers) matchSet(transaction, setNo);
}

const ADD_SET_COUNTS = `UPDATE capability_sets SET workers = workers + ?, active_workers = active_workers + ?,
  free_workers = free_workers + ? WHERE set_no = ?`;
const WORKERS = "SELECT workers FROM capability_sets WHERE set_no = ?";
