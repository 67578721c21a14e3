import { stopwatch } from "../../model/clock.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import type { CoordinationStatistics, Health, QueueStatistics, RegistryStatistics } from "../../model/statistics.ts";
import { NOTHING_ANSWERS, PROVEN_WRITE_MILLISECONDS } from "../health-checks.ts";
import type { UsageColumns } from "../rules/usage.ts";
import {
  type Counts,
  coordinationStatisticsOf,
  type LoadGroup,
  queueStatisticsOf,
  registryStatisticsOf,
} from "../statistics.ts";
import { bit } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { isRefusal } from "./faults.ts";
import { type Procedure, procedure } from "./procedures.ts";
import { type SqlText, sqlText } from "./texts.ts";

/**
 * Read from counters that every transition keeps exact. Only agents are counted as they are: a registry has thousands of
 * them, not millions, and a counter by role and status would be written by every change of a status.
 */

interface Counter {
  name: string;
  value: number;
}

function counts(rows: readonly Counter[]): Counts {
  return new Map(rows.map(({ name, value }) => [name, value]));
}

const QUEUE = procedure("queue_statistics");

export async function queueStatistics(connection: Connection): Promise<QueueStatistics> {
  const result = await connection.query(QUEUE);
  const [rate] = result.rows<{ accepted: number }>(1);
  const [waiting] = result.rows<{ now: number; oldest: number | null }>(2);
  const { now = 0, oldest = null } = waiting ?? {};
  return queueStatisticsOf(counts(result.rows<Counter>(0)), { accepted: rate?.accepted ?? 0, oldest, now });
}

const REGISTRY = procedure("registry_statistics");

export async function registryStatistics(connection: Connection): Promise<RegistryStatistics> {
  const result = await connection.query(REGISTRY);
  const roles = result.rows<Counter & { active: number }>(0);
  const activeAgents = roles.reduce((sum, { active }) => sum + active, 0);
  return registryStatisticsOf(counts(roles), activeAgents, result.rows<LoadGroup>(1));
}

const COORDINATION = procedure("coordination_statistics");

export async function coordinationStatistics(connection: Connection): Promise<CoordinationStatistics> {
  const result = await connection.query(COORDINATION);
  const active = result.rows<{ active: number }>(1)[0]?.active ?? 0;
  return coordinationStatisticsOf(counts(result.rows<Counter>(0)), active, result.rows<UsageColumns>(2)[0]);
}

const HEALTH = procedure("health");
const PROBES = {
  write: procedure("probe_write"),
  database: sqlText("probe-database", "SELECT 1 AS one;\n"),
  messages: procedure("probe_messages"),
  agents: procedure("probe_agents"),
};

/** What a probe waits for: load balancers give up on one after 5 s or so, calls are tried for longer. */
const HEALTH_MILLISECONDS = 3_000;

/** Time since the last successful write of a probe, by connection. */
const sinceWrite = new WeakMap<Connection, () => number>();

/** One round trip when all is well; what is not is then asked for one by one. */
export async function checkHealth(connection: Connection): Promise<Health["checks"]> {
  const answered = new AbortController();
  const late = connection.clock.sleep(HEALTH_MILLISECONDS, answered.signal).then(() => NOTHING_ANSWERS);
  const checks = await Promise.race([probe(connection), late]);
  answered.abort();
  return checks;
}

async function probe(connection: Connection): Promise<Health["checks"]> {
  try {
    const written = sinceWrite.get(connection);
    const fresh = written !== undefined && written() < PROVEN_WRITE_MILLISECONDS;
    const [agents] = (await connection.query(HEALTH, { write: bit(!fresh) })).rows<{ registered: number }>(1);
    if (!fresh) sinceWrite.set(connection, stopwatch());
    return {
      databaseConnection: true,
      messageQueueOperational: true,
      agentRegistryAccessible: true,
      recentActivity: agents?.registered === 1,
    };
  } catch (error) {
    // A refusal may be for one table only, such as a permission that is missing; what else is unavailable is so altogether.
    const unavailable = error instanceof AgentCommunicationError && !isRefusal(error);
    return unavailable ? NOTHING_ANSWERS : checkOneByOne(connection);
  }
}

async function checkOneByOne(connection: Connection): Promise<Health["checks"]> {
  const [database, messages, agents, written] = await Promise.all([
    answers(connection, PROBES.database),
    answers(connection, PROBES.messages),
    answers(connection, PROBES.agents),
    answers(connection, PROBES.write),
  ]);
  return {
    databaseConnection: database !== undefined,
    messageQueueOperational: messages !== undefined && written !== undefined,
    agentRegistryAccessible: agents !== undefined,
    recentActivity: agents?.[0]?.registered === 1,
  };
}

/** The rows, or nothing when the probe failed, for whatever reason. */
async function answers(
  connection: Connection,
  probe: Procedure | SqlText,
): Promise<{ registered?: number }[] | undefined> {
  try {
    return (await connection.query(probe)).rows<{ registered?: number }>(0);
  } catch {
    return undefined;
  }
}
