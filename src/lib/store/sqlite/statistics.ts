import type { CoordinationStatistics, Health, QueueStatistics, RegistryStatistics } from "../../model/statistics.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { NOTHING_ANSWERS, PROVEN_WRITE_MILLISECONDS } from "../health-checks.ts";
import { USAGE_COLUMNS, type UsageColumns } from "../rules/usage.ts";
import { coordinationStatisticsOf, queueStatisticsOf, registryStatisticsOf } from "../statistics.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/** Read from counters that every transition keeps exact; nothing here counts rows. */

const COUNTERS = "SELECT name, value FROM counters WHERE name >= ? AND name < ?";

/** Counters whose name starts with `prefix`, without it. */
function counters(transaction: Transaction, prefix: string): Map<string, number> {
  const rows = transaction.all<{ name: string; value: number }>(COUNTERS, prefix, `${prefix}\uffff`);
  return new Map(rows.map((row) => [row.name.slice(prefix.length), row.value]));
}

/** Seconds since the epoch have ten digits until the year 2286, so their names sort as they do. */
const RATE = "SELECT coalesce(sum(value), 0) AS accepted FROM counters WHERE name > ? AND name <= ?";

/** The streams' oldest due message: one seek per priority of each mailbox that is not empty. */
const OLDEST = `SELECT min(available_at) AS oldest FROM (
  SELECT (SELECT min(available_at) FROM messages
          WHERE receiver_no = b.agent_no AND priority = p.value AND status = 'queued' AND held = 0) AS available_at
  FROM mailboxes b, json_each('[0,1,2,3]') p WHERE b.depth > 0)`;

export function queueStatistics(transaction: Transaction): QueueStatistics {
  const { now } = transaction;
  const second = Math.floor(now / 1_000);
  const rate = transaction.get<{ accepted: number }>(RATE, `accepted:${second - 60}`, `accepted:${second}`);
  const oldest = transaction.get<{ oldest: number | null }>(OLDEST)?.oldest ?? null;
  return queueStatisticsOf(counters(transaction, "messages:"), { accepted: rate?.accepted ?? 0, oldest, now });
}

/** Without scanning agents: per capacity, the sum of active tasks over it is the sum of loads. */
export function registryStatistics(transaction: Transaction): RegistryStatistics {
  const tasksByCapacity = counters(transaction, "load:tasks:");
  const loads = [...counters(transaction, "load:workers:")].map(([capacity, workers]) => ({
    capacity: Number(capacity),
    workers,
    tasks: tasksByCapacity.get(capacity) ?? 0,
  }));
  return registryStatisticsOf(counters(transaction, "agents:role:"), activeAgents(transaction), loads);
}

function activeAgents(transaction: Transaction): number {
  return counters(transaction, "agents:status:").get("active") ?? 0;
}

const USAGE = `SELECT ${Object.values(USAGE_COLUMNS).join(", ")} FROM usage_totals WHERE slot = 0`;

export function coordinationStatistics(transaction: Transaction): CoordinationStatistics {
  const usage = transaction.get<UsageColumns>(USAGE);
  return coordinationStatisticsOf(counters(transaction, "tasks:"), activeAgents(transaction), usage);
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
