import type { Clock } from "../../clock.ts";
import { MAINTENANCE_BUDGET_MILLISECONDS } from "../../limits.ts";
import type { MaintenanceReport, SweepReport } from "../../statistics/statistics.ts";
import { archiveTasks, dropUnusedSets } from "./archive.ts";
import type { Connection } from "./connection.ts";
import { deleteGone, deregisterInactive, purgeMessages } from "./maintenance.ts";
import { refreshPerformance } from "./performance.ts";
import { deadLetterLeftBehind, dropOldRates, expireMessages, inactivateSilentAgents, takeBackLeases } from "./sweep.ts";
import { type SweepPosition, sweepTasks } from "./sweep-tasks.ts";
import type { Transaction } from "./transaction.ts";

/**
 * The sweep and the maintenance as a series of bounded transactions. Between two of them other calls get their turn, and
 * a process that dies in between leaves nothing half done: the next run goes on.
 */

/** Everything that time alone brings about: silence, ended leases, times to live, deadlines, backoffs, waiting tasks. */
export async function sweep(connection: Connection): Promise<SweepReport> {
  const report: SweepReport = {
    agentsInactivated: 0,
    leasesEnded: 0,
    messagesExpired: 0,
    messagesDeadLettered: 0,
    tasksTimedOut: 0,
    tasksRequeued: 0,
    tasksUnblocked: 0,
    tasksAssigned: 0,
  };
  report.agentsInactivated = await repeat(async () => {
    const step = await connection.write(inactivateSilentAgents);
    report.tasksRequeued += step.requeued;
    report.tasksAssigned += step.handedOut;
    return step;
  });
  await takeBack(connection, report);
  report.messagesExpired = await repeat(() => connection.write(expireMessages));
  report.messagesDeadLettered += await repeat(() => connection.write(deadLetterLeftBehind));
  await sweepAllTasks(connection, report);
  await connection.write(dropOldRates);
  return report;
}

async function sweepAllTasks(connection: Connection, report: SweepReport): Promise<void> {
  let position: SweepPosition | undefined;
  do {
    const from: SweepPosition | undefined = position;
    const step = await connection.write((tx) => sweepTasks(tx, from));
    report.tasksTimedOut += step.tasksTimedOut;
    report.tasksRequeued += step.tasksRequeued;
    report.tasksUnblocked += step.tasksUnblocked;
    report.tasksAssigned += step.tasksAssigned;
    position = step.next;
  } while (position !== undefined);
}

async function takeBack(connection: Connection, report: SweepReport): Promise<void> {
  let next: number | undefined = -1;
  while (next !== undefined) {
    const after: number = next;
    const step = await connection.write((tx) => takeBackLeases(tx, after));
    report.leasesEnded += step.ended;
    report.messagesDeadLettered += step.deadLettered;
    next = step.next;
  }
}

async function repeat(step: () => Promise<{ done: number; more: boolean }>): Promise<number> {
  let total = 0;
  for (;;) {
    const { done, more } = await step();
    total += done;
    if (!more) return total;
  }
}

/** The daily upkeep, within its budget; what is left is done by the next run. */
export async function maintain(connection: Connection, clock: Clock): Promise<MaintenanceReport> {
  const startedAt = clock.now();
  const report: MaintenanceReport = {
    messagesPurged: 0,
    deadLettersPurged: 0,
    agentsDeregistered: 0,
    agentsDeleted: 0,
    tasksArchived: 0,
    agentsRefreshed: 0,
    finished: true,
    durationSeconds: 0,
  };
  const late = () => clock.now() - startedAt > MAINTENANCE_BUDGET_MILLISECONDS;
  for (const step of STEPS) {
    if (late()) report.finished = false;
    else await step(connection, report, late);
  }
  report.durationSeconds = (clock.now() - startedAt) / 1_000;
  return report;
}

type Step = (connection: Connection, report: MaintenanceReport, late: () => boolean) => Promise<void>;

function leaveUnfinished(report: MaintenanceReport): void {
  report.finished = false;
}

/** Repeats a step that works from the front until it has no more. */
function untilDone(
  act: (transaction: Transaction) => { done: number; more: boolean },
  count: (report: MaintenanceReport, done: number) => void,
): Step {
  return async (connection, report, late) => {
    for (let more = true; more; ) {
      const step = await connection.write(act);
      count(report, step.done);
      more = step.more;
      if (more && late()) return leaveUnfinished(report);
    }
  };
}

/** Repeats a step that walks on from where it stopped. */
function walk<Walked extends { next: number | undefined }>(
  act: (transaction: Transaction, after: number) => Walked,
  count: (report: MaintenanceReport, walked: Walked) => void,
): Step {
  return async (connection, report, late) => {
    let next: number | undefined = 0;
    while (next !== undefined) {
      const after: number = next;
      const walked = await connection.write((tx) => act(tx, after));
      count(report, walked);
      next = walked.next;
      if (next !== undefined && late()) return leaveUnfinished(report);
    }
  };
}

const purge = walk(purgeMessages, (report, { purged, deadLetters }) => {
  report.messagesPurged += purged;
  report.deadLettersPurged += deadLetters;
});
const deregister = untilDone(deregisterInactive, (report, done) => {
  report.agentsDeregistered += done;
});
const archive = untilDone(archiveTasks, (report, done) => {
  report.tasksArchived += done;
});
const deleteAgents = walk(deleteGone, (report, { done }) => {
  report.agentsDeleted += done;
});
const dropSets = walk(dropUnusedSets, () => {});
const refresh = walk(refreshPerformance, (report, { done }) => {
  report.agentsRefreshed += done;
});

/** In this order: archiving lets go of agents that may then be deleted, and these of their capability sets. */
const STEPS: readonly Step[] = [purge, deregister, archive, deleteAgents, dropSets, refresh];
