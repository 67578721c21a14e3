import { AGENT_ROLES } from "../model/agent.ts";
import { MESSAGE_STATUSES } from "../model/message.ts";
import type { CoordinationStatistics, QueueStatistics, RegistryStatistics } from "../model/statistics.ts";
import { TASK_STATUSES } from "../model/task.ts";
import { sumsOf, USAGE_COLUMNS, type UsageColumns } from "./rules/usage.ts";

/** What counters say, whichever engine keeps them. */

/** How many of each name; a name that is missing has none. */
export type Counts = ReadonlyMap<string, number>;

function countsOf<Name extends string>(names: readonly Name[], counts: Counts): Record<Name, number> {
  const entries = names.map((name) => [name, counts.get(name) ?? 0] as const);
  return Object.fromEntries(entries) as Record<Name, number>;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** @param oldest when the oldest message that waits was due; null: none waits */
export function queueStatisticsOf(
  messages: Counts,
  { accepted, oldest, now }: { accepted: number; oldest: number | null; now: number },
): QueueStatistics {
  const byStatus = countsOf(MESSAGE_STATUSES, messages);
  return {
    totalMessages: sumOf(byStatus),
    messagesPerMinute: accepted,
    byStatus,
    oldestAgeSeconds: oldest === null ? 0 : Math.max(0, now - oldest) / 1_000,
    deadLetters: byStatus.dead_lettered,
  };
}

/** @param loads of active workers, by their capacity */
export function registryStatisticsOf(
  roles: Counts,
  activeAgents: number,
  loads: readonly LoadGroup[],
): RegistryStatistics {
  const byRole = countsOf(AGENT_ROLES, roles);
  return { totalAgents: sumOf(byRole), activeAgents, averageLoad: meanLoad(loads), byRole };
}

/**
 * @param tasks by status, and what was assigned, completed and failed in all
 * @param usage all that was ever reported
 */
export function coordinationStatisticsOf(
  tasks: Counts,
  activeAgents: number,
  usage: UsageColumns | undefined,
): CoordinationStatistics {
  return {
    activeAgents,
    metrics: {
      tasksAssigned: tasks.get("assigned_once") ?? 0,
      tasksCompleted: tasks.get("completed_total") ?? 0,
      tasksFailed: tasks.get("failed_total") ?? 0,
      tasksNotNeeded: tasks.get("not_needed_total") ?? 0,
      attemptsFailed: tasks.get("attempts_failed_total") ?? 0,
      attemptsLost: tasks.get("attempts_lost_total") ?? 0,
      usage: sumsOf((count) => usage?.[USAGE_COLUMNS[count]] ?? 0),
    },
    byStatus: countsOf(TASK_STATUSES, tasks),
  };
}

/** Active workers of one capacity, and the tasks that they have together. */
export interface LoadGroup {
  /** Above 0. */
  capacity: number;
  workers: number;
  tasks: number;
}

/**
 * Mean load of workers, 0 to 1. A worker whose capacity was lowered below what it has counts as full, and so does a group of one capacity
 * that has more than it can take.
 */
function meanLoad(groups: readonly LoadGroup[]): number {
  let workers = 0;
  let load = 0;
  for (const group of groups) {
    workers += group.workers;
    load += Math.min(group.tasks / group.capacity, group.workers);
  }
  return workers === 0 ? 0 : load / workers;
}
