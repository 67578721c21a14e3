import type { ListSchedulesQuery, ScheduleSummary } from "../model/schedule.ts";
import type { DueSchedules, Fired, NewSchedule, Page, Paged, ScheduleMove } from "./calls.ts";
import type { StoredSchedule } from "./stored-values.ts";

/** The verbs of the store that are about schedules. */
export interface ScheduleStore {
  /**
   * Creates, or replaces what there was of this supervisor. What is due stays due where cron and time zone stay; the firings stay. @throws AGENT_NOT_FOUND,
   * AGENT_DEREGISTERED, FORBIDDEN (not a supervisor or admin), ID_TAKEN (of another supervisor), INVALID_REQUEST (SCHEDULES_MAX are there)
   */
  putSchedule(schedule: NewSchedule): Promise<{ schedule: StoredSchedule; created: boolean }>;
  /** @throws NOT_FOUND */
  getSchedule(scheduleId: string): Promise<StoredSchedule>;
  /** By id. */
  listSchedules(query: Page & Pick<ListSchedulesQuery, "supervisor">): Promise<Paged<ScheduleSummary>>;
  /** @returns whether there was one */
  deleteSchedule(scheduleId: string): Promise<boolean>;
  /** Writes nothing. @param after a place; 0 at first */
  findDueSchedules(after: number): Promise<DueSchedules>;
  /** Moves it on without creating anything. @returns whether it had that version */
  moveSchedule(move: ScheduleMove): Promise<boolean>;
  /**
   * Moves it on and creates what the firing leads to, in one transaction, then hands out. It is no heartbeat of the supervisor.
   *
   * @returns whether the schedule had that version @throws as assignTask and createWorkflow; a known id is ID_TAKEN
   */
  fireSchedule(move: ScheduleMove, fired: Fired): Promise<boolean>;
}
