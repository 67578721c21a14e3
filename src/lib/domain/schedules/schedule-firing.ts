import { AgentCommunicationError, ERRORS } from "../../model/errors.ts";
import type { PutSchedule, RecordedFiring } from "../../model/schedule.ts";
import type { Fired, ScheduleMove, Store, StoredSchedule } from "../../store/store.ts";
import type { SupervisorCoordinator } from "../tasks/supervisor-coordinator.ts";
import type { TaskQuestions } from "../tasks/task-questions.ts";
import { planWorkflow } from "../tasks/workflow-plan.ts";
import type { Workflows } from "../tasks/workflows.ts";
import { isOpen, statusOf } from "./firing-status.ts";
import type { ScheduleContents } from "./schedule-contents.ts";
import { type Due, dueNow, moveBy, moveOf, scheduledId, timesOf } from "./schedule-plan.ts";

/** Of a refusal that is kept: enough for a sentence or two. */
const ERROR_CHARACTERS = 500;

/** What the due times that have come led to. */
export interface FiringReport {
  schedulesFired: number;
  schedulesSkipped: number;
  schedulesRefused: number;
}

type FiringTimes = Pick<RecordedFiring, "dueAt" | "firedAt">;

/** Told the next due time of all, in milliseconds since 1970; undefined: it may be another one, and has to be looked for. */
export type PlanListener = (nextDueAt: number | undefined) => void;

/**
 * Fires what is due. Any number of processes may: the schedule moves on in the transaction that writes what the due time leads to, if it
 * still is where it was read.
 */
export class ScheduleFiring {
  readonly #store: Store;
  readonly #contents: ScheduleContents;
  readonly #coordinator: SupervisorCoordinator;
  readonly #workflows: Workflows;
  readonly #questions: TaskQuestions;
  #listener: PlanListener | undefined;

  constructor(options: {
    store: Store;
    contents: ScheduleContents;
    coordinator: SupervisorCoordinator;
    workflows: Workflows;
    questions: TaskQuestions;
  }) {
    this.#store = options.store;
    this.#contents = options.contents;
    this.#coordinator = options.coordinator;
    this.#workflows = options.workflows;
    this.#questions = options.questions;
  }

  /** Has the listener told whenever this process may know another next due time. */
  onPlanned(listener: PlanListener): void {
    this.#listener = listener;
  }

  /** A schedule of this process was put. */
  planned(): void {
    this.#listener?.(undefined);
  }

  /**
   * Fires every schedule that is due. One that fails for want of a key or of the store stays due; the others fire all the same.
   *
   * @throws the first failure, at the end
   */
  async fireDue(): Promise<FiringReport> {
    const report: FiringReport = { schedulesFired: 0, schedulesSkipped: 0, schedulesRefused: 0 };
    const failures: unknown[] = [];
    let place = 0;
    for (;;) {
      const { due, nextDueAt } = await this.#store.findDueSchedules(place);
      const last = due.at(-1);
      if (last === undefined) {
        if (nextDueAt !== undefined) this.#listener?.(nextDueAt);
        break;
      }
      for (const { scheduleId } of due) {
        try {
          await this.#fireOne(scheduleId, report);
        } catch (error) {
          failures.push(error);
        }
      }
      place = last.place;
    }
    if (failures.length > 0) throw failures[0];
    return report;
  }

  async #fireOne(scheduleId: string, report: FiringReport): Promise<void> {
    const schedule = await this.#find(scheduleId);
    if (schedule?.dueAt === undefined) return;
    const now = this.#store.now();
    const firedAt = new Date(now).toISOString();
    try {
      const times = timesOf(schedule, now);
      const due = dueNow(schedule.dueAt, times, now);
      if (due !== undefined)
        await this.#fire(schedule, due, { dueAt: new Date(due.at).toISOString(), firedAt }, report);
      // A clock that was ahead has planned it; otherwise another process has fired it by now.
      else if (schedule.plannedAt > now) {
        await this.#store.moveSchedule(moveOf(schedule, { dueAt: times.after(now) }));
      }
    } catch (error) {
      // Its time zone is not known any more.
      await this.#refuse(schedule, error, { firedAt }, schedule.dueAt, report);
    }
  }

  async #fire(schedule: StoredSchedule, due: Due, firing: FiringTimes, report: FiringReport): Promise<void> {
    const { last } = schedule.log;
    if (schedule.overlap === "skip" && last !== undefined && isOpen(await statusOf(this.#store, last))) {
      const skipped: RecordedFiring = { ...firing, outcome: "skipped" };
      if (await this.#store.moveSchedule(moveBy(schedule, skipped, due.next))) report.schedulesSkipped += 1;
      return;
    }
    try {
      if (await this.#create(schedule, due, firing)) report.schedulesFired += 1;
    } catch (error) {
      await this.#refuse(schedule, error, firing, due.next, report);
    }
  }

  /** @throws what is no refusal */
  async #refuse(
    schedule: StoredSchedule,
    error: unknown,
    firing: FiringTimes,
    dueAt: number | undefined,
    report: FiringReport,
  ): Promise<void> {
    const refused: RecordedFiring = { ...firing, outcome: "refused", error: refusalOf(error) };
    if (await this.#store.moveSchedule(moveBy(schedule, refused, dueAt))) report.schedulesRefused += 1;
  }

  async #create(schedule: StoredSchedule, due: Due, firing: FiringTimes): Promise<boolean> {
    const id = scheduledId(schedule.scheduleId, due.at);
    const fired = await this.prepare(schedule, id);
    return this.#store.fireSchedule(createdMove(schedule, id, due.next, firing), fired);
  }

  async #find(scheduleId: string): Promise<StoredSchedule | undefined> {
    try {
      return await this.#store.getSchedule(scheduleId);
    } catch (error) {
      // It was deleted meanwhile.
      if (error instanceof AgentCommunicationError && error.code === "NOT_FOUND") return undefined;
      throw error;
    }
  }

  /** What a schedule creates, as the store takes it. @throws CHANNEL_FORBIDDEN, KEY_UNAVAILABLE, INVALID_REQUEST */
  async prepare(schedule: StoredSchedule, id: string): Promise<Fired> {
    const { supervisor, scheduleId } = schedule;
    const { task, workflow } = await this.#contents.open(schedule);
    await this.#requireReachable(supervisor, { task, workflow });
    if (task !== undefined) return { task: await this.#coordinator.prepare({ ...task, supervisor, taskId: id }) };
    if (workflow !== undefined) {
      return { workflow: await this.#workflows.prepare({ ...workflow, supervisor, workflowId: id }) };
    }
    const detail = `What schedule ${scheduleId} creates cannot be decrypted any more: put it again.`;
    throw new AgentCommunicationError("INVALID_REQUEST", detail);
  }

  /** What can be known of a schedule before it fires. @throws DEPENDENCY_INVALID (a cycle), CHANNEL_FORBIDDEN */
  async requireSound({ supervisor, task, workflow }: PutSchedule): Promise<void> {
    if (workflow !== undefined) planWorkflow(workflow, ({ ref }) => ref);
    await this.#requireReachable(supervisor, { task, workflow });
  }

  async #requireReachable(
    supervisor: string,
    { task, workflow }: { task?: PutSchedule["task"]; workflow?: PutSchedule["workflow"] },
  ): Promise<void> {
    for (const part of [task, ...(workflow?.tasks ?? [])]) {
      await this.#questions.requireReachable(supervisor, part?.question?.askedOf);
    }
  }
}

/** The move of a schedule that has created a task or workflow. */
export function createdMove(
  schedule: StoredSchedule,
  id: string,
  dueAt: number | undefined,
  firing: FiringTimes,
): ScheduleMove {
  const created = schedule.creates === "task" ? { taskId: id } : { workflowId: id };
  return moveBy(schedule, { ...firing, outcome: "created", ...created }, dueAt);
}

/** What is kept of a refusal. @throws what is none: a fault, or something that passes */
function refusalOf(error: unknown): string {
  if (!(error instanceof AgentCommunicationError)) throw error;
  const { status } = ERRORS[error.code];
  if (status >= 500 || status === 429) throw error;
  return `${error.code}: ${error.message}`.slice(0, ERROR_CHARACTERS);
}
