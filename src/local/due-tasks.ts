import { runTimer } from "../lib/http/run-timer.ts";
import type { Services } from "../lib/services.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";
import { Alarm } from "./alarm.ts";

/** After a notice; more of them in that time are one. The shortest backoff is half a second. */
const LOOK_AFTER_MILLISECONDS = 200;
/** A timer may come a millisecond early. */
const MARGIN_MILLISECONDS = 2;

/**
 * Sweeps tasks when one of them is due, instead of up to a whole interval later: what waits for a backoff, for a time, for its start, or for an
 * answer that has a default. The store is asked for the next such time after each sweep, and soon after a call of this process that may have
 * brought a nearer one. What other processes bring is found by the next sweep.
 */
export class DueTasks {
  readonly #services: Services;
  readonly #log: Log;
  readonly #alarm: Alarm;
  readonly #stopListening: () => void;
  /** What was due before has been swept. Milliseconds since the epoch. */
  #since: number;

  constructor(services: Services, log: Log) {
    this.#services = services;
    this.#log = log;
    this.#since = services.clock.now();
    this.#alarm = new Alarm({
      clock: services.clock,
      work: () => this.#work(),
      // A store that fails is asked again after the next sweep by schedule.
      onError: (error) => log.error("timer failed", { ...errorFields(error), timer: "sweep" }),
    });
    this.#stopListening = services.waitNotices.listen(() => this.#lookIn(LOOK_AFTER_MILLISECONDS));
  }

  /** To be called after a sweep. @param began when it began, in milliseconds since the epoch */
  swept(began: number): void {
    this.#since = began;
    this.#lookIn(0);
  }

  #lookIn(milliseconds: number): void {
    this.#alarm.plan(this.#services.clock.now() + milliseconds);
  }

  /** Looks, and sweeps when something is due. */
  async #work(): Promise<void> {
    const { clock, store, monitor } = this.#services;
    const due = await store.nextTaskDue(this.#since);
    if (due === undefined || this.#alarm.stopped) return;
    const now = clock.now();
    if (due > now) return this.#alarm.plan(due + MARGIN_MILLISECONDS);
    await runTimer(this.#services, { name: "sweep", handler: () => monitor.sweepDueTasks() }, this.#log);
    this.#since = now;
    this.#lookIn(0);
  }

  /** Starts no more and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopListening();
    await this.#alarm.stop();
  }
}
