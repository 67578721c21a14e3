import type { NewAuditEntry } from "../model/audit.ts";
import type { Clock } from "../model/clock.ts";
import { MAINTENANCE_BUDGET_MILLISECONDS } from "../model/limits.ts";
import type { StoreMaintenanceReport, SweepReport, TaskSweepReport } from "../model/statistics.ts";
import { type Correction, type CorrectionPosition, FIRST_CORRECTION } from "./clock-steps.ts";

/**
 * The sweep and the maintenance as a series of bounded transactions. Between two of them other calls get their turn, and
 * a process that dies in between leaves nothing half done: the next run goes on.
 */

/** A step that works from the front: `more` asks for another one. */
export interface Step {
  done: number;
  more: boolean;
}

/** A step of a walk: where the next one goes on; undefined at the end. */
export interface Walked {
  done: number;
  next: number | undefined;
}

export interface SilenceSweep extends Step {
  requeued: number;
  handedOut: number;
}

export interface LeaseSweep {
  ended: number;
  deadLettered: number;
  /** Where the next call goes on; undefined at the end. */
  next: number | undefined;
}

export interface TaskSweep extends TaskSweepReport {
  /** Where the next call goes on; undefined at the end. */
  next: SweepPosition | undefined;
}

/** The counts of a step that did nothing. */
export const NOTHING_SWEPT: Readonly<TaskSweepReport> = {
  tasksTimedOut: 0,
  tasksNotStarted: 0,
  tasksRequeued: 0,
  tasksExpired: 0,
  questionsTimedOut: 0,
  tasksUnblocked: 0,
  tasksAssigned: 0,
};

/** The steps, in order; hand-outs come last, for all that the others have freed. */
export type SweepPosition =
  | { step: "deadlines" }
  /** Attempts that were not started in time. */
  | { step: "starts" }
  /** Tasks whose own time is over. */
  | { step: "expiries" }
  /** Questions that nobody has answered in time. */
  | { step: "questions" }
  /** Open children of tasks that have ended. */
  | { step: "orphans" }
  | { step: "dependents" }
  | { step: "demands"; after: number }
  | { step: "named"; after: number };

/** What an engine does in one transaction of the sweep. */
export interface SweepSteps {
  /** Whether a clock that was ahead has left times in the future. */
  findClockStep(): Promise<boolean>;
  correctTimes(position: CorrectionPosition): Promise<Correction>;
  inactivateSilentAgents(): Promise<Step>;
  /** Some tasks of agents that have become inactive; `done`: how many. */
  releaseLeftTasks(): Promise<SilenceSweep>;
  /** Mailboxes after that number. */
  takeBackLeases(after: number): Promise<LeaseSweep>;
  expireMessages(): Promise<Step>;
  /** Messages with a first delay that have become due, of mailboxes after that number. */
  joinDueMessages(after: number): Promise<Walked>;
  deadLetterLeftBehind(): Promise<Step>;
  /** From the first step on when no position is given. */
  sweepTasks(position: SweepPosition | undefined): Promise<TaskSweep>;
  /** One block of the audit, once there are enough entries for it or they have waited. */
  sealAudit(): Promise<Step>;
  dropOldRates(): Promise<void>;
}

/** Everything that time alone brings about: silence, ended leases, times to live, deadlines, backoffs, waiting tasks. */
export async function runSweep(steps: SweepSteps): Promise<SweepReport> {
  const report: SweepReport = {
    timesCorrected: 0,
    agentsInactivated: 0,
    leasesEnded: 0,
    messagesExpired: 0,
    messagesDeadLettered: 0,
    tasksTimedOut: 0,
    tasksNotStarted: 0,
    tasksAbandoned: 0,
    tasksRequeued: 0,
    tasksExpired: 0,
    questionsTimedOut: 0,
    tasksUnblocked: 0,
    tasksAssigned: 0,
    auditEntriesSealed: 0,
  };
  // First: what was recorded ahead would hide its row from the steps below.
  if (await steps.findClockStep()) report.timesCorrected = await correctAllTimes(steps);
  report.agentsInactivated = await repeat(() => steps.inactivateSilentAgents());
  await repeat(async () => {
    const step = await steps.releaseLeftTasks();
    report.tasksAbandoned += step.done;
    report.tasksRequeued += step.requeued;
    report.tasksAssigned += step.handedOut;
    return step;
  });
  await takeBack(steps, report);
  report.messagesExpired = await repeat(() => steps.expireMessages());
  await joinDue(steps);
  report.messagesDeadLettered += await repeat(() => steps.deadLetterLeftBehind());
  await sweepAllTasks(steps, report);
  report.auditEntriesSealed = await repeat(() => steps.sealAudit());
  await steps.dropOldRates();
  return report;
}

async function correctAllTimes(steps: SweepSteps): Promise<number> {
  let corrected = 0;
  let position: CorrectionPosition | undefined = FIRST_CORRECTION;
  while (position !== undefined) {
    const step: Correction = await steps.correctTimes(position);
    corrected += step.corrected;
    position = step.next;
  }
  return corrected;
}

/** The part of the sweep that tasks wait for: times at which they end, backoffs, answers by default; and hand-outs. */
export async function runTaskSweep(sweepTasks: SweepSteps["sweepTasks"]): Promise<TaskSweepReport> {
  const report = { ...NOTHING_SWEPT };
  await sweepAllTasks({ sweepTasks }, report);
  return report;
}

/**
 * Transactions of one sweep that tell dependents, of 100 each; the next sweep goes on. A row that does not add up, and is found again and
 * again, must not keep all that waits for an agent from being handed out.
 */
export const DEPENDENT_ROUNDS_MAX = 1_000;

async function sweepAllTasks(steps: Pick<SweepSteps, "sweepTasks">, report: TaskSweepReport): Promise<void> {
  let position: SweepPosition | undefined;
  let rounds = 0;
  do {
    const step: TaskSweep = await steps.sweepTasks(position);
    report.tasksTimedOut += step.tasksTimedOut;
    report.tasksNotStarted += step.tasksNotStarted;
    report.tasksRequeued += step.tasksRequeued;
    report.tasksExpired += step.tasksExpired;
    report.questionsTimedOut += step.questionsTimedOut;
    report.tasksUnblocked += step.tasksUnblocked;
    report.tasksAssigned += step.tasksAssigned;
    position = step.next;
    if (position?.step === "dependents") rounds += 1;
    if (rounds > DEPENDENT_ROUNDS_MAX && position?.step === "dependents") position = { step: "demands", after: 0 };
  } while (position !== undefined);
}

async function takeBack(steps: SweepSteps, report: SweepReport): Promise<void> {
  let next: number | undefined = -1;
  while (next !== undefined) {
    const step: LeaseSweep = await steps.takeBackLeases(next);
    report.leasesEnded += step.ended;
    report.messagesDeadLettered += step.deadLettered;
    next = step.next;
  }
}

async function joinDue(steps: SweepSteps): Promise<void> {
  let next: number | undefined = -1;
  while (next !== undefined) next = (await steps.joinDueMessages(next)).next;
}

async function repeat(step: () => Promise<Step>): Promise<number> {
  let total = 0;
  for (;;) {
    const { done, more } = await step();
    total += done;
    if (!more) return total;
  }
}

/** What a step of the purge has deleted. */
export interface PurgeStep {
  purged: number;
  deadLetters: number;
  /** Where the next step goes on; undefined at the end. */
  next: number | undefined;
}

/** What an engine does in one transaction of the maintenance. A walk starts after 0. */
export interface MaintenanceSteps {
  purgeMessages(after: number): Promise<PurgeStep>;
  deregisterInactive(): Promise<Step>;
  archiveTasks(): Promise<Step>;
  deleteEndedCredentials(after: number): Promise<Walked>;
  deleteGone(after: number): Promise<Walked>;
  dropUnusedSets(after: number): Promise<Walked>;
  refreshPerformance(after: number): Promise<Walked>;
  /** Hours of usage past their retention. */
  dropOldUsage(): Promise<Step>;
  /** Entries of one block of the audit. */
  dropOldestBlock(): Promise<Step>;
  /** Adds what was done to the audit. */
  recordAudit(entries: readonly NewAuditEntry[]): Promise<void>;
  /** One block of whatever has none yet: so that who asks for maintenance can export a digest of all that was before. */
  sealWholeAudit(): Promise<Step>;
}

/** The daily upkeep, within its budget; what is left is done by the next run. */
export async function runMaintenance(steps: MaintenanceSteps, clock: Clock): Promise<StoreMaintenanceReport> {
  const startedAt = clock.monotonic();
  const report: StoreMaintenanceReport = {
    messagesPurged: 0,
    deadLettersPurged: 0,
    agentsDeregistered: 0,
    agentsDeleted: 0,
    tasksArchived: 0,
    credentialsDeleted: 0,
    agentsRefreshed: 0,
    usageHoursDropped: 0,
    auditEntriesDropped: 0,
    finished: true,
    durationSeconds: 0,
  };
  const late = () => clock.monotonic() - startedAt > MAINTENANCE_BUDGET_MILLISECONDS;
  for (const duty of DUTIES) {
    if (late()) report.finished = false;
    else await duty(steps, report, late);
  }
  report.durationSeconds = (clock.monotonic() - startedAt) / 1_000;
  await steps.recordAudit([{ action: "maintenance.ran", subjectKind: "store", subjectId: "store", detail: report }]);
  while ((await steps.sealWholeAudit()).more && !late());
  return report;
}

type Duty = (steps: MaintenanceSteps, report: StoreMaintenanceReport, late: () => boolean) => Promise<void>;

function leaveUnfinished(report: StoreMaintenanceReport): void {
  report.finished = false;
}

/** Repeats a step that works from the front until it has no more. */
function untilDone(
  act: (steps: MaintenanceSteps) => Promise<Step>,
  count: (report: StoreMaintenanceReport, done: number) => void,
): Duty {
  return async (steps, report, late) => {
    for (let more = true; more; ) {
      const step = await act(steps);
      count(report, step.done);
      more = step.more;
      if (more && late()) return leaveUnfinished(report);
    }
  };
}

/** Repeats a step that walks on from where it stopped. */
function walk<Stepped extends { next: number | undefined }>(
  act: (steps: MaintenanceSteps, after: number) => Promise<Stepped>,
  count: (report: StoreMaintenanceReport, stepped: Stepped) => void,
): Duty {
  return async (steps, report, late) => {
    let next: number | undefined = 0;
    while (next !== undefined) {
      const stepped: Stepped = await act(steps, next);
      count(report, stepped);
      next = stepped.next;
      if (next !== undefined && late()) return leaveUnfinished(report);
    }
  };
}

const purge = walk(
  (steps, after) => steps.purgeMessages(after),
  (report, { purged, deadLetters }) => {
    report.messagesPurged += purged;
    report.deadLettersPurged += deadLetters;
  },
);
const deregister = untilDone(
  (steps) => steps.deregisterInactive(),
  (report, done) => {
    report.agentsDeregistered += done;
  },
);
const archive = untilDone(
  (steps) => steps.archiveTasks(),
  (report, done) => {
    report.tasksArchived += done;
  },
);
const deleteCredentials = walk(
  (steps, after) => steps.deleteEndedCredentials(after),
  (report, { done }) => {
    report.credentialsDeleted += done;
  },
);
const deleteAgents = walk(
  (steps, after) => steps.deleteGone(after),
  (report, { done }) => {
    report.agentsDeleted += done;
  },
);
const dropSets = walk(
  (steps, after) => steps.dropUnusedSets(after),
  () => {},
);
const refresh = walk(
  (steps, after) => steps.refreshPerformance(after),
  (report, { done }) => {
    report.agentsRefreshed += done;
  },
);
const dropUsage = untilDone(
  (steps) => steps.dropOldUsage(),
  (report, done) => {
    report.usageHoursDropped += done;
  },
);
const dropAudit = untilDone(
  (steps) => steps.dropOldestBlock(),
  (report, done) => {
    report.auditEntriesDropped += done;
  },
);

/** In this order: archiving and ended credentials let go of agents that may then be deleted, and these of their capability sets. */
const DUTIES: readonly Duty[] = [
  purge,
  deregister,
  archive,
  deleteCredentials,
  deleteAgents,
  dropSets,
  dropUsage,
  dropAudit,
  refresh,
];
