import type { MaintenanceReport, SweepReport } from "../../statistics/statistics.ts";
import { runMaintenance, runSweep } from "../upkeep-runs.ts";
import { archiveTasks, dropUnusedSets } from "./archive.ts";
import type { Connection } from "./connection.ts";
import { deleteGone, deregisterInactive, purgeMessages } from "./maintenance.ts";
import { refreshPerformance } from "./performance.ts";
import { deadLetterLeftBehind, dropOldRates, expireMessages, inactivateSilentAgents, takeBackLeases } from "./sweep.ts";
import { sweepTasks } from "./sweep-tasks.ts";

/** Everything that time alone brings about: silence, ended leases, times to live, deadlines, backoffs, waiting tasks. */
export function sweep(connection: Connection): Promise<SweepReport> {
  return runSweep({
    inactivateSilentAgents: () => inactivateSilentAgents(connection),
    takeBackLeases: (after) => takeBackLeases(connection, after),
    expireMessages: () => expireMessages(connection),
    deadLetterLeftBehind: () => deadLetterLeftBehind(connection),
    sweepTasks: (position) => sweepTasks(connection, position),
    dropOldRates: () => dropOldRates(connection),
  });
}

/** The daily upkeep, within its budget; what is left is done by the next run. */
export function maintain(connection: Connection): Promise<MaintenanceReport> {
  const steps = {
    purgeMessages: (after: number) => purgeMessages(connection, after),
    deregisterInactive: () => deregisterInactive(connection),
    archiveTasks: () => archiveTasks(connection),
    deleteGone: (after: number) => deleteGone(connection, after),
    dropUnusedSets: (after: number) => dropUnusedSets(connection, after),
    refreshPerformance: (after: number) => refreshPerformance(connection, after),
  };
  return runMaintenance(steps, connection.clock);
}
