import type { ScheduleSummary } from "../model/schedule.ts";
import type { Decide } from "./decision.ts";
import { type List, listPage, type TextRange } from "./list-page.ts";
import {
  decideDelete,
  decideMove,
  decidePut,
  readSchedule,
  readSummary,
  type ScheduleChange,
  type ScheduleListRow,
  type ScheduleRow,
  type SeenSchedule,
  scheduleNotFound,
} from "./rules/schedules.ts";
import type { Store } from "./store.ts";

/** The verbs of schedules, over what an engine reads and writes. */

/** Which schedule is to change; `supervisor`: who is to have it. */
export interface ScheduleAsk {
  scheduleId: string;
  supervisor?: string | undefined;
}

/** What an engine does for schedules. */
export interface ScheduleEngine {
  decide: Decide<ScheduleAsk, SeenSchedule, ScheduleChange>;
  get(scheduleId: string): Promise<ScheduleRow | undefined>;
  /** Without a supervisor: of all. */
  list(range: TextRange, supervisor: string | undefined): Promise<readonly ScheduleListRow[]>;
  findDue: Store["findDueSchedules"];
  fire: Store["fireSchedule"];
}

/** Schedules that one look for due ones finds. */
export const DUE_SCHEDULES_MAX = 100;

const SCHEDULES: List<ScheduleListRow, ScheduleSummary> = {
  shape: "text",
  read: readSummary,
  positionOf: ({ schedule_id }) => [schedule_id],
};

/** The verbs of the store that are about schedules. */
export function scheduleVerbs(engine: ScheduleEngine) {
  return {
    putSchedule(schedule) {
      const { scheduleId, supervisor } = schedule;
      return engine.decide({ scheduleId, supervisor }, (seen, deciding) => decidePut(schedule, seen, deciding));
    },
    async getSchedule(scheduleId) {
      const row = await engine.get(scheduleId);
      if (row === undefined) throw scheduleNotFound(scheduleId);
      return readSchedule(row);
    },
    async listSchedules({ supervisor, ...page }) {
      const { after, rows, take } = listPage(SCHEDULES, { list: "schedules", supervisor }, page);
      return take(await engine.list({ after: String(after?.[0] ?? ""), rows }, supervisor));
    },
    deleteSchedule: (scheduleId) => engine.decide({ scheduleId }, (seen) => decideDelete(scheduleId, seen)),
    findDueSchedules: engine.findDue,
    moveSchedule(move) {
      return engine.decide({ scheduleId: move.scheduleId }, (seen, deciding) => decideMove(move, seen, deciding));
    },
    fireSchedule: engine.fire,
  } satisfies Partial<Store>;
}
