import { Cron } from "croner";
import type { Timer } from "../lib/http/route.ts";
import { runTimer } from "../lib/http/run-timer.ts";
import { errorFields, type Log } from "../lib/log.ts";
import type { Services } from "../lib/services.ts";

/** The timers of the local host: NCRONTAB in UTC, as the Functions host runs them. */

/** Runs each timer by its schedule until stopped. A run never overlaps the one before; a failing one is logged. */
export class LocalTimers {
  readonly #services: Services;
  readonly #log: Log;
  readonly #cancel = new Map<string, () => void>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(services: Services, log: Log) {
    this.#services = services;
    this.#log = log;
  }

  /** @throws Error naming the setting for a schedule that is none */
  start(timers: readonly Timer[]): void {
    for (const timer of timers) this.#plan(timer, parseSchedule(timer.name, timer.schedule(this.#services.config)));
  }

  #plan(timer: Timer, cron: Cron): void {
    if (this.#stopped) return;
    const { clock } = this.#services;
    const now = clock.now();
    const next = cron.nextRun(new Date(now));
    // A schedule such as the 30th of February never comes again.
    if (next === null) return;
    this.#cancel.set(
      timer.name,
      clock.after(next.getTime() - now, () => {
        // Timers longer than the clock can hold, and clocks that were set back, wake early: then just wait again.
        if (clock.now() < next.getTime()) return this.#plan(timer, cron);
        const run = this.#run(timer).finally(() => {
          this.#running.delete(run);
          this.#plan(timer, cron);
        });
        this.#running.add(run);
      }),
    );
  }

  async #run(timer: Timer): Promise<void> {
    try {
      await runTimer(this.#services, timer, this.#log);
    } catch (error) {
      this.#log.error("timer failed", { ...errorFields(error), timer: timer.name });
    }
  }

  /** Starts no more runs and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancel.values()) cancel();
    await Promise.all(this.#running);
  }
}

function parseSchedule(name: string, schedule: string): Cron {
  try {
    return new Cron(schedule, { timezone: "UTC", paused: true });
  } catch {
    throw new Error(`bad settings: AGENT_${name.toUpperCase()}_SCHEDULE: "${schedule}" is not an NCRONTAB schedule`);
  }
}
