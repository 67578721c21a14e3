import type { Services } from "../lib/services.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";
import { Alarm } from "./alarm.ts";

/**
 * Fires schedules on the local host when they are due. What it misses (another process has put it), and what fails, the sweep fires within
 * 15 s.
 */
export class ScheduleAlarm {
  readonly #services: Pick<Services, "clock" | "firing">;
  readonly #alarm: Alarm;

  constructor(services: Pick<Services, "clock" | "firing">, log: Log) {
    this.#services = services;
    this.#alarm = new Alarm({
      clock: services.clock,
      work: async () => void (await services.firing.fireDue()),
      onError: (error) => log.error("schedules failed", errorFields(error)),
    });
  }

  /** Looks at once, for what was due while no process ran, and then whenever something is due. */
  start(): void {
    const alarm = this.#alarm;
    this.#services.firing.onPlanned((nextDueAt) => (nextDueAt === undefined ? alarm.ring() : alarm.plan(nextDueAt)));
    alarm.ring();
  }

  /** Fires no more, and waits for what is being fired. */
  stop(): Promise<void> {
    return this.#alarm.stop();
  }
}
