import type { NewAuditEntry } from "../../model/audit.ts";
import type { Clock } from "../../model/clock.ts";
import type { StoreMaintenanceReport, SweepReport, TaskSweepReport } from "../../model/statistics.ts";
import { runMaintenance, runSweep, runTaskSweep } from "../upkeep-runs.ts";
import { archiveTasks, dropUnusedSets } from "./archive.ts";
import { recordAudit } from "./audit.ts";
import { dropOldestBlock, sealAudit } from "./audit-blocks.ts";
import { correctTimes, findClockStep } from "./clock-steps.ts";
import type { Connection } from "./connection.ts";
import { deleteEndedCredentials, deleteGone, deregisterInactive, purgeMessages } from "./maintenance.ts";
import { joinDueMessages } from "./ordering-keys.ts";
import { refreshPerformance } from "./performance.ts";
import {
  deadLetterLeftBehind,
  dropOldRates,
  expireMessages,
  inactivateSilentAgents,
  releaseLeftTasks,
  takeBackLeases,
} from "./sweep.ts";
import { sweepTasks } from "./sweep-tasks.ts";
import { dropOldUsage } from "./usage.ts";

/** Everything that time alone brings about: silence, ended leases, times to live, deadlines, backoffs, waiting tasks. */
export function sweep(connection: Connection): Promise<SweepReport> {
  return runSweep({
    // A read: most sweeps find nothing, and a write would cost them a commit.
    findClockStep: () => connection.read(findClockStep),
    correctTimes: (position) => connection.write((tx) => correctTimes(tx, position)),
    inactivateSilentAgents: () => connection.write(inactivateSilentAgents),
    releaseLeftTasks: () => connection.write(releaseLeftTasks),
    takeBackLeases: (after) => connection.write((tx) => takeBackLeases(tx, after)),
    expireMessages: () => connection.write(expireMessages),
    joinDueMessages: (after) => connection.write((tx) => joinDueMessages(tx, after)),
    deadLetterLeftBehind: () => connection.write(deadLetterLeftBehind),
    sweepTasks: (position) => connection.write((tx) => sweepTasks(tx, position)),
    sealAudit: () => sealAudit(connection),
    dropOldRates: () => connection.write(dropOldRates),
  });
}

/** The part of the sweep that tasks wait for. */
export function sweepDueTasks(connection: Connection): Promise<TaskSweepReport> {
  return runTaskSweep((position) => connection.write((tx) => sweepTasks(tx, position)));
}

/** The daily upkeep, within its budget; what is left is done by the next run. */
export function maintain(connection: Connection, clock: Clock): Promise<StoreMaintenanceReport> {
  const steps = {
    purgeMessages: (after: number) => connection.write((tx) => purgeMessages(tx, after)),
    deregisterInactive: () => connection.write(deregisterInactive),
    archiveTasks: () => connection.write(archiveTasks),
    deleteEndedCredentials: (after: number) => connection.write((tx) => deleteEndedCredentials(tx, after)),
    deleteGone: (after: number) => connection.write((tx) => deleteGone(tx, after)),
    dropUnusedSets: (after: number) => connection.write((tx) => dropUnusedSets(tx, after)),
    refreshPerformance: (after: number) => connection.write((tx) => refreshPerformance(tx, after)),
    dropOldUsage: () => connection.write(dropOldUsage),
    dropOldestBlock: () => connection.write(dropOldestBlock),
    recordAudit: (entries: readonly NewAuditEntry[]) => connection.write((tx) => recordAudit(tx, entries)),
    sealWholeAudit: () => sealAudit(connection, true),
  };
  return runMaintenance(steps, clock);
}
