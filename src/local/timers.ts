import { parseSchedule, type Schedule } from "../lib/base/schedule.ts";
import type { Timer } from "../lib/http/route.ts";
import { runTimer } from "../lib/http/run-timer.ts";
import type { Services } from "../lib/services.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";

/** The timers of the local host: NCRONTAB in UTC, at the times at which the Functions host on Azure runs them. */

interface Planned {
  timer: Timer;
  schedule: Schedule;
  /** When it is due, in milliseconds since the epoch. */
  at: number;
  cancel(): void;
}

/** Runs each timer by its schedule until stopped. A run never overlaps the one before; a failing one is logged. */
export class LocalTimers {
  readonly #services: Services;
  readonly #log: Log;
  readonly #onRun: (name: Timer["name"], began: number) => void;
  readonly #planned = new Map<string, Planned>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  /** @param onRun told after each run that did not fail, and when it began: milliseconds since the epoch */
  constructor(services: Services, log: Log, onRun: (name: Timer["name"], began: number) => void = () => undefined) {
    this.#services = services;
    this.#log = log;
    this.#onRun = onRun;
  }

  /** Runs that have begun and not ended. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Plans every timer. One that can tell that its last run was missed, because no process was there, runs at once.
   *
   * @throws Error naming the setting when the schedule is not valid
   */
  start(timers: readonly Timer[]): void {
    const schedules = timers.map((timer) => scheduleOf(timer, timer.schedule(this.#services.config)));
    for (const [index, timer] of timers.entries()) {
      const schedule = schedules[index];
      if (schedule === undefined) continue;
      if (timer.missed === undefined) this.#plan(timer, schedule);
      else this.#track(timer, schedule, () => this.#catchUp(timer, schedule));
    }
  }

  #plan(timer: Timer, schedule: Schedule): void {
    if (this.#stopped) return;
    const { clock } = this.#services;
    const now = clock.now();
    const at = schedule.next(now);
    // A schedule such as the 30th of February never comes.
    if (at === undefined) return;
    const cancel = clock.after(at - now, () => this.#wake(timer.name));
    this.#planned.set(timer.name, { timer, schedule, at, cancel });
  }

  /**
   * Runs what is due, whichever timer fired: while a machine sleeps its timers stand still, so the sweep, which comes every few
   * seconds, is the first to see that the maintenance of the night is due.
   */
  #wake(name: string): void {
    const now = this.#services.clock.now();
    for (const planned of [...this.#planned.values()]) {
      const { timer, schedule, at, cancel } = planned;
      if (at <= now) {
        cancel();
        this.#planned.delete(timer.name);
        this.#track(timer, schedule, () => this.#run(timer));
      } else if (timer.name === name) {
        // Timers longer than the clock can hold, and clocks that were set back, wake early: then just wait again.
        this.#plan(timer, schedule);
      }
    }
  }

  /** Runs `work`, is waited for by stop(), and plans the next run when it has ended. */
  #track(timer: Timer, schedule: Schedule, work: () => Promise<void>): void {
    const run = work().finally(() => {
      this.#running.delete(run);
      this.#plan(timer, schedule);
    });
    this.#running.add(run);
  }

  async #catchUp(timer: Timer, schedule: Schedule): Promise<void> {
    const due = schedule.last(this.#services.clock.now());
    if (due === undefined) return;
    try {
      if (!(await timer.missed?.(this.#services, due)) || this.#stopped) return;
    } catch (error) {
      // The planned run comes all the same.
      this.#log.error("timer failed", { ...errorFields(error), timer: timer.name });
      return;
    }
    this.#log.info("timer missed while no process ran", { timer: timer.name, due: new Date(due).toISOString() });
    await this.#run(timer);
  }

  async #run(timer: Timer): Promise<void> {
    try {
      const began = this.#services.clock.now();
      await runTimer(this.#services, timer, this.#log);
      this.#onRun(timer.name, began);
    } catch (error) {
      this.#log.error("timer failed", { ...errorFields(error), timer: timer.name });
    }
  }

  /** Starts no more runs and waits for those under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { cancel } of this.#planned.values()) cancel();
    await Promise.all(this.#running);
  }
}

function scheduleOf({ name }: Timer, text: string): Schedule {
  try {
    return parseSchedule(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `bad settings: AGENT_${name.toUpperCase()}_SCHEDULE: "${text}" is not an NCRONTAB schedule: ${reason}`,
    );
  }
}
