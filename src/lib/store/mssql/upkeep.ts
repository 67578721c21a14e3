import type { NewAuditEntry } from "../../model/audit.ts";
import type { StoreMaintenanceReport, SweepReport, TaskSweepReport } from "../../model/statistics.ts";
import { NOTHING_SWEPT, runMaintenance, runSweep, runTaskSweep, type TaskSweep } from "../upkeep-runs.ts";
import { archiveTasks, dropUnusedSets } from "./archive.ts";
import { recordAudit } from "./audit.ts";
import { dropOldestBlock, sealAudit } from "./audit-blocks.ts";
import { correctTimes } from "./clock-steps.ts";
import type { Connection } from "./connection.ts";
import { deleteEndedCredentials, deleteGone, deregisterInactive, purgeMessages } from "./maintenance.ts";
import { joinDueMessages } from "./ordering-keys.ts";
import { refreshPerformance } from "./performance.ts";
import { procedure } from "./procedures.ts";
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

/** What a sweep that has nothing to do asks: one round trip, where the embedded store just tries each step. */
const DUE = procedure("find_due_upkeep");

/** 1: there may be something to do; NULL: there is not. */
interface Due {
  /** Something was recorded in the future. */
  ahead: number | null;
  silent: number | null;
  unreleased: number | null;
  leased: number | null;
  expired: number | null;
  left: number | null;
  joining: number | null;
  tasks: number | null;
  /** Entries behind the newest block. */
  audit: number | null;
}

async function whatIsDue(connection: Connection): Promise<Due> {
  const [due] = (await connection.query(DUE)).rows<Due>(0);
  return due ?? { ahead: 1, silent: 1, unreleased: 1, leased: 1, expired: 1, left: 1, joining: 1, tasks: 1, audit: 1 };
}

const NOTHING = { done: 0, requeued: 0, handedOut: 0, more: false };
const NOTHING_TO_WALK = { done: 0, next: undefined };
const NO_LEASES = { ended: 0, deadLettered: 0, next: undefined };
const NO_TASKS: TaskSweep = { ...NOTHING_SWEPT, next: undefined };

/** Everything that time alone brings about: silence, ended leases, times to live, deadlines, backoffs, waiting tasks. */
export async function sweep(connection: Connection): Promise<SweepReport> {
  const due = await whatIsDue(connection);
  return runSweep({
    findClockStep: async () => due.ahead === 1,
    correctTimes: (position) => correctTimes(connection, position),
    inactivateSilentAgents: async () => (due.silent === 1 ? inactivateSilentAgents(connection) : NOTHING),
    releaseLeftTasks: async () => (due.silent === 1 || due.unreleased === 1 ? releaseLeftTasks(connection) : NOTHING),
    takeBackLeases: async (after) => (due.leased === 1 ? takeBackLeases(connection, after) : NO_LEASES),
    expireMessages: async () => (due.expired === 1 ? expireMessages(connection) : NOTHING),
    joinDueMessages: async (after) => (due.joining === 1 ? joinDueMessages(connection, after) : NOTHING_TO_WALK),
    deadLetterLeftBehind: async () => (due.left === 1 ? deadLetterLeftBehind(connection) : NOTHING),
    // Agents that fell silent have given back tasks, and may have ended some whose dependents are left to be told.
    sweepTasks: async (position) =>
      due.tasks === 1 || due.silent === 1 || due.unreleased === 1 ? sweepTasks(connection, position) : NO_TASKS,
    sealAudit: async () => (due.audit === 1 ? sealAudit(connection) : NOTHING),
    dropOldRates: () => dropOldRates(connection),
  });
}

/** The part of the sweep that tasks wait for. */
export function sweepDueTasks(connection: Connection): Promise<TaskSweepReport> {
  return runTaskSweep((position) => sweepTasks(connection, position));
}

/** The daily upkeep, within its budget; what is left is done by the next run. */
export function maintain(connection: Connection): Promise<StoreMaintenanceReport> {
  const steps = {
    purgeMessages: (after: number) => purgeMessages(connection, after),
    deregisterInactive: () => deregisterInactive(connection),
    archiveTasks: () => archiveTasks(connection),
    deleteEndedCredentials: (after: number) => deleteEndedCredentials(connection, after),
    deleteGone: (after: number) => deleteGone(connection, after),
    dropUnusedSets: (after: number) => dropUnusedSets(connection, after),
    refreshPerformance: (after: number) => refreshPerformance(connection, after),
    dropOldUsage: () => dropOldUsage(connection),
    dropOldestBlock: () => dropOldestBlock(connection),
    recordAudit: (entries: readonly NewAuditEntry[]) => recordAudit(connection, entries),
    sealWholeAudit: () => sealAudit(connection, true),
  };
  return runMaintenance(steps, connection.clock);
}
