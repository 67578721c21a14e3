import { runTimer } from "../lib/http/run-timer.ts";
import type { Services } from "../lib/services.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";

/** After a notice; more of them in that time are one. The shortest backoff is half a second. */
const LOOK_AFTER_MILLISECONDS = 200;
/** Between two sweeps of tasks, and a margin: a timer may come a millisecond early. */
const SHORTEST_PAUSE_MILLISECONDS = 100;
const MARGIN_MILLISECONDS = 2;

/**
 * Sweeps tasks when one of them is due, instead of up to a whole interval later: what waits for a backoff, for a time, or for an answer
 * that has a default. The store is asked for the next such time after each sweep, and soon after a call of this process that may have
 * brought a nearer one. What other processes bring is found by the next sweep.
 */
export class DueTasks {
  readonly #services: Services;
  readonly #log: Log;
  readonly #stopListening: () => void;
  #stopped = false;
  #running: Promise<void> | undefined;
  /** Whether to look again after what is running. */
  #again = false;
  /** What was due before has been swept. Milliseconds since the epoch. */
  #since: number;
  /** When the next look is planned. */
  #planned: { at: number; cancel(): void } | undefined;

  constructor(services: Services, log: Log) {
    this.#services = services;
    this.#log = log;
    this.#since = services.clock.now();
    this.#stopListening = services.waitNotices.listen(() => this.#lookIn(LOOK_AFTER_MILLISECONDS));
  }

  /** To be called after a sweep. @param began when it began, in milliseconds since the epoch */
  swept(began: number): void {
    this.#since = began;
    this.#lookIn(0);
  }

  #lookIn(milliseconds: number): void {
    if (this.#running === undefined) this.#plan(this.#services.clock.now() + milliseconds);
    else this.#again = true;
  }

  #plan(at: number): void {
    if (this.#stopped || (this.#planned !== undefined && this.#planned.at <= at)) return;
    this.#planned?.cancel();
    const { clock } = this.#services;
    this.#planned = { at, cancel: clock.after(Math.max(at - clock.now(), 0), () => this.#wake()) };
  }

  #wake(): void {
    this.#planned = undefined;
    this.#again = false;
    this.#running = this.#work().finally(() => {
      this.#running = undefined;
      if (this.#again) this.#lookIn(SHORTEST_PAUSE_MILLISECONDS);
    });
  }

  /** Looks, and sweeps when something is due. A store that fails is asked again after the next sweep by schedule. */
  async #work(): Promise<void> {
    const { clock, store, monitor } = this.#services;
    try {
      const due = await store.nextTaskDue(this.#since);
      if (due === undefined || this.#stopped) return;
      const now = clock.now();
      if (due > now) return this.#plan(Math.max(due + MARGIN_MILLISECONDS, now + SHORTEST_PAUSE_MILLISECONDS));
      await runTimer(this.#services, { name: "sweep", handler: () => monitor.sweepDueTasks() }, this.#log);
      this.#since = now;
      this.#again = true;
    } catch (error) {
      this.#log.error("timer failed", { ...errorFields(error), timer: "sweep" });
    }
  }

  /** Starts no more and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening();
    this.#planned?.cancel();
    await this.#running;
  }
}
