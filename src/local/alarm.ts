import type { Clock } from "../lib/model/clock.ts";

/** Between two runs: a timer may come a millisecond early, and what a run could not do must not keep the process busy. */
const PAUSE_MILLISECONDS = 100;
/** After a run that failed: as often as a key that is not available is asked for. */
const PAUSE_AFTER_FAILURE_MILLISECONDS = 5_000;
/** One that comes early just works, finds nothing, and is planned anew. */
const LONGEST_MILLISECONDS = 24 * 3_600_000;

/** What an alarm is made of. */
export interface AlarmOptions {
  clock: Clock;
  /** Does what is due, and plans the next run. */
  work(): Promise<void>;
  /** Told what `work` threw. Must not throw. */
  onError(error: unknown): void;
}

/**
 * Works when something is due, on a host that runs all the time. Of several planned times the nearest counts; runs never overlap.
 *
 * @example
 * const alarm = new Alarm({ clock, work: async () => alarm.plan(await doWhatIsDue()), onError });
 * alarm.ring();
 */
export class Alarm {
  readonly #options: AlarmOptions;
  #planned: { at: number; cancel(): void } | undefined;
  #running: Promise<void> | undefined;
  /** Rung during the run that is under way. */
  #again = false;
  /** The nearest time that was planned during it. */
  #asked: number | undefined;
  #stopped = false;

  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Works at that time, milliseconds since the epoch, unless a nearer one is planned; during a run soon after it at the earliest. */
  plan(at: number): void {
    if (this.#running !== undefined) this.#asked = Math.min(this.#asked ?? at, at);
    else this.#set(at);
  }

  /** Works at once; during a run once more after it. */
  ring(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#planned?.cancel();
    this.#planned = undefined;
    this.#running = this.#run();
  }

  #set(at: number): void {
    if (this.#stopped || (this.#planned !== undefined && this.#planned.at <= at)) return;
    this.#planned?.cancel();
    const { clock } = this.#options;
    const wait = Math.min(Math.max(at - clock.now(), 0), LONGEST_MILLISECONDS);
    this.#planned = { at, cancel: clock.after(wait, () => this.ring()) };
  }

  async #run(): Promise<void> {
    const { clock, work, onError } = this.#options;
    let pause = PAUSE_MILLISECONDS;
    try {
      await work();
    } catch (error) {
      onError(error);
      pause = PAUSE_AFTER_FAILURE_MILLISECONDS;
    }
    const [again, asked] = [this.#again, this.#asked];
    this.#running = undefined;
    this.#again = false;
    this.#asked = undefined;
    if (asked !== undefined) this.#set(Math.max(asked, clock.now() + pause));
    if (again) this.ring();
  }

  /** Works no more, and waits for a run that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#planned?.cancel();
    await this.#running;
  }
}
