import type { Clock } from "../../clock.ts";
import { MAINTENANCE_BUDGET_MILLISECONDS } from "../../limits.ts";
import type { MaintenanceReport, SweepReport } from "../../statistics/statistics.ts";
import type { Connection } from "./connection.ts";
import { deleteGone, deregisterInactive, purgeMessages } from "./maintenance.ts";
import { deadLetterLeftBehind, dropOldRates, expireMessages, inactivateSilentAgents, takeBackLeases } from "./sweep.ts";

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
  report.agentsInactivated = await repeat(() => connection.write(inactivateSilentAgents));
  await takeBack(connection, report);
  report.messagesExpired = await repeat(() => connection.write(expireMessages));
  report.messagesDeadLettered += await repeat(() => connection.write(deadLetterLeftBehind));
  await connection.write(dropOldRates);
  return report;
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
  for (const step of [purge, deregister, deleteAgents]) {
    if (late()) report.finished = false;
    else await step(connection, report, late);
  }
  report.durationSeconds = (clock.now() - startedAt) / 1_000;
  return report;
}

type Step = (connection: Connection, report: MaintenanceReport, late: () => boolean) => Promise<void>;

const purge: Step = async (connection, report, late) => {
  let next: number | undefined = 0;
  while (next !== undefined) {
    const after: number = next;
    const step = await connection.write((tx) => purgeMessages(tx, after));
    report.messagesPurged += step.purged;
    report.deadLettersPurged += step.deadLetters;
    next = step.next;
    if (next !== undefined && late()) return void (report.finished = false);
  }
};

const deregister: Step = async (connection, report, late) => {
  for (let more = true; more; ) {
    const step = await connection.write(deregisterInactive);
    report.agentsDeregistered += step.done;
    more = step.more;
    if (more && late()) return void (report.finished = false);
  }
};

const deleteAgents: Step = async (connection, report, late) => {
  let next: number | undefined = 0;
  while (next !== undefined) {
    const after: number = next;
    const step = await connection.write((tx) => deleteGone(tx, after));
    report.agentsDeleted += step.done;
    next = step.next;
    if (next !== undefined && late()) return void (report.finished = false);
  }
};
