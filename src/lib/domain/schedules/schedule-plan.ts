import { BadCron, type DueTimes, dueTimes } from "../../base/cron.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { FIRINGS_KEPT, MISSED_MILLISECONDS, REFUSED_FIRINGS_MAX } from "../../model/limits.ts";
import type { RecordedFiring } from "../../model/schedule.ts";
import { SCHEDULED_PREFIX } from "../../model/values.ts";
import type { ScheduleMove, StoredSchedule } from "../../store/store.ts";

/** Which due time of a schedule fires, where it goes from there, and what is kept of it: pure, so that it is one for both hosts. */

/** The due times of a schedule. @throws INVALID_REQUEST naming `cron` or `timezone` */
export function timesOf({ cron, timezone }: Pick<StoredSchedule, "cron" | "timezone">, now: number): DueTimes {
  try {
    return dueTimes(cron, timezone, now);
  } catch (error) {
    if (!(error instanceof BadCron)) throw error;
    const { field: path, message } = error;
    throw new AgentCommunicationError("INVALID_REQUEST", `${path} ${message}.`, { errors: [{ path, message }] });
  }
}

/** The due time that fires now, and the one after it. */
export interface Due {
  at: number;
  next: number | undefined;
}

/** Of due times that were missed by more than 60 s the newest stands for all; undefined: nothing is due yet. */
export function dueNow(dueAt: number, times: DueTimes, now: number): Due | undefined {
  if (dueAt > now) return undefined;
  const at = now - dueAt > MISSED_MILLISECONDS ? times.newest(dueAt, now) : dueAt;
  return { at, next: times.after(at) };
}

/** The id of what a due time creates: `schedule:<scheduleId>:<yyyymmddThhmmssZ>`, in UTC. */
export function scheduledId(scheduleId: string, dueAt: number): string {
  const time = new Date(dueAt).toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
  return `${SCHEDULED_PREFIX}${scheduleId}:${time}`;
}

/** The id of what a trigger creates, which no due time has. @param token 20 characters that no other trigger has */
export function triggeredId(scheduleId: string, token: string): string {
  return `${SCHEDULED_PREFIX}${scheduleId}:trigger-${token}`;
}

/** The move of a schedule that keeps everything but what `changes` says. */
export function moveOf(schedule: StoredSchedule, changes: Partial<ScheduleMove>): ScheduleMove {
  const { scheduleId, version, dueAt, enabled, refusals, log } = schedule;
  return { scheduleId, version, dueAt, enabled, refusals, log, ...changes };
}

/** The move that records a firing: what was created is the last that was, and a third refusal in a row disables. */
export function moveBy(schedule: StoredSchedule, firing: RecordedFiring, dueAt: number | undefined): ScheduleMove {
  const { taskId, workflowId, outcome } = firing;
  const recent = [firing, ...schedule.log.recent].slice(0, FIRINGS_KEPT);
  const last = outcome === "created" ? { taskId, workflowId } : schedule.log.last;
  const refusals = outcome === "refused" ? schedule.refusals + 1 : outcome === "created" ? 0 : schedule.refusals;
  const disables = refusals >= REFUSED_FIRINGS_MAX;
  return moveOf(schedule, {
    log: { recent, ...(last === undefined ? {} : { last }) },
    refusals,
    ...(disables ? { disables, enabled: false, dueAt: undefined } : { dueAt }),
  });
}
