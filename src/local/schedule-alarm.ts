import type { Services } from "../lib/services.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";

/** Fires schedules on the local host when they are due; what this misses (another process has put it), the sweep fires within 15 s. */

/** The clock's own bound on timers is longer; an alarm that comes early just looks again. */
const LONGEST_MILLISECONDS = 24 * 3_600_000;

export class ScheduleAlarm {
  readonly #services: Pick<Services, "clock" | "firing">;
  readonly #log: Log;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  /** Whether it is to look again when the run that is under way has ended. */
  #again = false;
  #stopped = false;

  constructor(services: Pick<Services, "clock" | "firing">, log: Log) {
    this.#services = services;
    this.#log = log;
  }

  /** Looks at once, for what was due while no process ran, and then whenever something is due. */
  start(): void {
    this.#services.firing.onPlanned((nextDueAt) => (nextDueAt === undefined ? this.#look() : this.#set(nextDueAt)));
    this.#look();
  }

  #set(dueAt: number): void {
    if (this.#stopped) return;
    this.#cancel?.();
    const { clock } = this.#services;
    const wait = Math.min(Math.max(dueAt - clock.now(), 0), LONGEST_MILLISECONDS);
    this.#cancel = clock.after(wait, () => this.#look());
  }

  #look(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.#look();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#services.firing.fireDue();
    } catch (error) {
      // What failed stays due: the sweep tries it again.
      this.#log.error("schedules failed", errorFields(error));
    }
  }

  /** Fires no more, and waits for what is being fired. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }
}
