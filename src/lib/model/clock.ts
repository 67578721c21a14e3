import { onAbort } from "./on-abort.ts";

/**
 * The only place that reads the time or sets a timer. Everything else is given a Clock, so that a test can move time
 * forward and the two stores can each tell their own.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Milliseconds since some moment of this process. It never goes back and never jumps, even when the machine's clock is set: for
   * waits, budgets and ages of what is kept in memory. It is worth nothing in another process.
   */
  monotonic(): number;
  /** Milliseconds by which `now` is ahead of real time, for a store whose server tells the time; absent: 0. */
  readonly offset?: number;
  /** Resolves after `milliseconds` of real time, or at once when `signal` aborts (it never rejects). */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` once after `milliseconds`; the returned function cancels it. Does not keep the process alive. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** The longest delay that setTimeout keeps (2^31 - 1 ms, about 24.8 days); a longer one would fire at once. */
const LONGEST_TIMER_MILLISECONDS = 2_147_483_647;

function after(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, Math.min(Math.max(0, milliseconds), LONGEST_TIMER_MILLISECONDS));
  // Node returns an object that can be told not to keep the process alive; a browser returns a number.
  if (typeof timer === "object") timer.unref();
  return () => clearTimeout(timer);
}

/** Whole milliseconds, as the clock gives them. */
function monotonic(): number {
  return Math.round(performance.now());
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      leave?.();
      resolve();
    };
    const timer = setTimeout(done, Math.min(Math.max(0, milliseconds), LONGEST_TIMER_MILLISECONDS));
    const leave = signal && onAbort(signal, done);
  });
}

/** The clock of the machine. */
export const systemClock: Clock = { now: () => Date.now(), monotonic, sleep, after };

/**
 * The machine's clock plus an offset: the clock of tests. Time only moves forward, but for `set`, and goes on by itself
 * as well, so nothing may assume that it stands still between two calls.
 *
 * @example
 * const clock = new OffsetClock();
 * clock.advance(60_000); // a minute later
 */
export class OffsetClock implements Clock {
  /** Milliseconds ahead of the machine's clock. */
  offset = 0;
  /** How far it has been moved forward; setting the clock does not count. */
  #advanced = 0;
  readonly sleep = sleep;
  readonly after = after;

  now(): number {
    return Date.now() + this.offset;
  }

  monotonic(): number {
    return monotonic() + this.#advanced;
  }

  /** Moves time forward. @throws RangeError for a negative step: time never goes back. */
  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError("time only moves forward");
    this.offset += milliseconds;
    this.#advanced += milliseconds;
  }

  /** Sets the clock, as a machine's clock is set; negative: back. No time passes. */
  set(milliseconds: number): void {
    this.offset += milliseconds;
  }
}

/**
 * Starts to measure how long something takes: in real time, whatever the clock says, and finer than it.
 *
 * @returns a function that gives the milliseconds since then, with fractions
 */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
