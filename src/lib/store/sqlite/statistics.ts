import { AGENT_ROLES, type AgentRole } from "../../model/agent.ts";
import { MESSAGE_STATUSES, type MessageStatus } from "../../model/message.ts";
import type { CoordinationStatistics, Health, QueueStatistics, RegistryStatistics } from "../../model/statistics.ts";
import { TASK_STATUSES, type TaskStatus } from "../../model/task.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { NOTHING_ANSWERS, PROVEN_WRITE_MILLISECONDS } from "../health-checks.ts";
import { meanLoad } from "../mean-load.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/** Read from counters that every transition keeps exact; nothing here counts rows. */

const COUNTERS = "SELECT name, value FROM counters WHERE name >= ? AND name < ?";

/** Counters whose name starts with `prefix`, without it. */
function counters(transaction: Transaction, prefix: string): Map<string, number> {
  const rows = transaction.all<{ name: string; value: number }>(COUNTERS, prefix, `${prefix}\uffff`);
  return new Map(rows.map((row) => [row.name.slice(prefix.length), row.value]));
}

function countsOf<Name extends string>(
  names: readonly Name[],
  counted: ReadonlyMap<string, number>,
): Record<Name, number> {
  const entries = names.map((name) => [name, counted.get(name) ?? 0] as const);
  return Object.fromEntries(entries) as Record<Name, number>;
}

/** Seconds since the epoch have ten digits until the year 2286, so their names sort as they do. */
const RATE = "SELECT coalesce(sum(value), 0) AS accepted FROM counters WHERE name > ? AND name <= ?";

/** The streams' oldest due message: one seek per priority of each mailbox that is not empty. */
const OLDEST = `SELECT min(available_at) AS oldest FROM (
  SELECT (SELECT min(available_at) FROM messages
          WHERE receiver_no = b.agent_no AND priority = p.value AND status = 'queued' AND held = 0) AS available_at
  FROM mailboxes b, json_each('[0,1,2,3]') p WHERE b.depth > 0)`;

export function queueStatistics(transaction: Transaction): QueueStatistics {
  const byStatus: Record<MessageStatus, number> = countsOf(MESSAGE_STATUSES, counters(transaction, "messages:"));
  const second = Math.floor(transaction.now / 1_000);
  const oldest = transaction.get<{ oldest: number | null }>(OLDEST)?.oldest ?? null;
  return {
    totalMessages: Object.values(byStatus).reduce((sum, count) => sum + count, 0),
    messagesPerMinute:
      transaction.get<{ accepted: number }>(RATE, `accepted:${second - 60}`, `accepted:${second}`)?.accepted ?? 0,
    byStatus,
    oldestAgeSeconds: oldest === null ? 0 : Math.max(0, transaction.now - oldest) / 1_000,
    deadLetters: byStatus.dead_lettered,
  };
}

export function registryStatistics(transaction: Transaction): RegistryStatistics {
  const byRole: Record<AgentRole, number> = countsOf(AGENT_ROLES, counters(transaction, "agents:role:"));
  const byStatus = counters(transaction, "agents:status:");
  return {
    totalAgents: Object.values(byRole).reduce((sum, count) => sum + count, 0),
    activeAgents: byStatus.get("active") ?? 0,
    averageLoad: averageLoad(transaction),
    byRole,
  };
}

/** Without scanning agents: per capacity, the sum of active tasks over it is the sum of loads. */
function averageLoad(transaction: Transaction): number {
  const workersByCapacity = counters(transaction, "load:workers:");
  const tasksByCapacity = counters(transaction, "load:tasks:");
  const groups = [...workersByCapacity].map(([capacity, workers]) => ({
    capacity: Number(capacity),
    workers,
    tasks: tasksByCapacity.get(capacity) ?? 0,
  }));
  return meanLoad(groups);
}

export function coordinationStatistics(transaction: Transaction): CoordinationStatistics {
  const tasks = counters(transaction, "tasks:");
  const byStatus: Record<TaskStatus, number> = countsOf(TASK_STATUSES, tasks);
  return {
    activeAgents: counters(transaction, "agents:status:").get("active") ?? 0,
    metrics: {
      tasksAssigned: tasks.get("assigned_once") ?? 0,
      tasksCompleted: tasks.get("completed_total") ?? 0,
      tasksFailed: tasks.get("failed_total") ?? 0,
    },
    byStatus,
  };
}

function answers(probe: () => unknown): boolean {
  try {
    probe();
    return true;
  } catch {
    return false;
  }
}

/** Writes one page and changes nothing: a full disk, a read-only file and a broken header are met as a send would meet them. */
const PROBE = "UPDATE schema_migrations SET applied_at = applied_at WHERE version = 1";

/** What a read and a write would meet now. */
export async function checkHealth(connection: Connection): Promise<Health["checks"]> {
  connection.lookAtFiles();
  try {
    const checks = await connection.read(probe);
    const writes = connection.hasRoom() && (await canWrite(connection));
    return { ...checks, messageQueueOperational: checks.messageQueueOperational && writes };
  } catch {
    return NOTHING_ANSWERS;
  }
}

async function canWrite(connection: Connection): Promise<boolean> {
  if (connection.hasCommittedWithin(PROVEN_WRITE_MILLISECONDS)) return true;
  try {
    await connection.write((transaction) => transaction.run(PROBE));
    return true;
  } catch {
    return false;
  }
}

function probe(transaction: Transaction): Health["checks"] {
  let registered = false;
  return {
    databaseConnection: answers(() => transaction.get("SELECT 1")),
    messageQueueOperational: answers(() => transaction.get("SELECT arrival FROM messages LIMIT 1")),
    agentRegistryAccessible: answers(() => {
      const sql = "SELECT 1 FROM agents WHERE agent_id > ? AND status <> 'deregistered' LIMIT 1";
      registered = transaction.get(sql, BEFORE_AGENTS) !== undefined;
    }),
    recentActivity: registered,
  };
}
