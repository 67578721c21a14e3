import type { Clock } from "../model/clock.ts";
import { outsideTrace } from "../trace/current-trace.ts";

/** The wait between two looks where nothing has come: what happens in other processes, or by time alone, wakes nobody here. */
const FIRST_WAIT_MILLISECONDS = 50;
const LONGEST_WAIT_MILLISECONDS = 1_000;
const GROWTH = 1.6;
/** A look comes up to this share of its wait early when another one is due: one probe asks for both. */
const EARLY_SHARE = 0.25;

/** One long poll. */
export interface Waiter {
  /** Resolves when there may be something to find, at `end` (as the monotonic clock tells it), or when its caller has gone. */
  next(end: number): Promise<void>;
  /** To be called in any case. */
  end(): void;
}

/** What a long poll waits for: a change of the subject (a mailbox, a task) after the number `after`, where changes are numbered. */
export interface Awaited {
  subject: string;
  after: number;
}

/** What one kind of long poll needs. */
export interface WaitersOptions {
  clock: Clock;
  /** Asks for all of these at once; what it returns says for which of them something has come. */
  probe(awaited: readonly Awaited[]): Promise<(one: Awaited) => boolean>;
  /** Whether what comes is for one of those who wait for the subject, not for all. Left out: it never is. */
  oneByOne?(subject: string): boolean;
}

interface Waiting extends Awaited {
  /** Looks so far. */
  looks: number;
  nextLook: number;
  end: number;
  /** Something came while it was not waiting. */
  woken: boolean;
  resolve: (() => void) | undefined;
}

/**
 * Long polls of this process. What happens here ends them at once, by `wake`; for everything else, one probe asks for all whose
 * look is due, so that those who wait hold no connection and cost no calls of their own.
 */
export class Waiters {
  readonly #options: WaitersOptions;
  readonly #waiting = new Map<string, Set<Waiting>>();
  #ticking = false;
  /** When the current sleep ends, and what ends it sooner. */
  #tick = Number.POSITIVE_INFINITY;
  #sooner = new AbortController();

  constructor(options: WaitersOptions) {
    this.#options = options;
  }

  /** Begins to listen: whatever comes from now on ends `next`. */
  listen({ subject, after }: Awaited, signal?: AbortSignal): Waiter {
    const waiting: Waiting = { subject, after, looks: 0, nextLook: 0, end: 0, woken: false, resolve: undefined };
    const set = this.#waiting.get(subject) ?? new Set();
    this.#waiting.set(subject, set.add(waiting));
    const wake = () => finish(waiting);
    signal?.addEventListener("abort", wake);
    return {
      next: (end) => this.#next(waiting, end),
      end: () => {
        signal?.removeEventListener("abort", wake);
        set.delete(waiting);
        if (set.size === 0 && this.#waiting.get(subject) === set) this.#waiting.delete(subject);
        finish(waiting);
        // Whoever found something may have left more; whoever was woken and went away has left it all.
        if (this.#isOneByOne(subject)) this.wake(subject);
      },
    };
  }

  #isOneByOne(subject: string): boolean {
    return this.#options.oneByOne?.(subject) ?? false;
  }

  #next(waiting: Waiting, end: number): Promise<void> {
    if (waiting.woken) {
      waiting.woken = false;
      return Promise.resolve();
    }
    const now = this.#options.clock.monotonic();
    waiting.nextLook = now + waitBefore(waiting.looks);
    waiting.end = end;
    return new Promise((resolve) => {
      waiting.resolve = resolve;
      // It goes on for those who come later: nothing of it belongs to the trace of the first.
      if (!this.#ticking) void outsideTrace(() => this.#run(now));
      else if (Math.min(waiting.nextLook, end) < this.#tick) this.#sooner.abort();
    });
  }

  /**
   * All who wait for the subject; where what comes is for one of them, the one that has waited longest, who wakes the next when
   * it is done: the calls of all the others would find nothing.
   */
  wake(subject: string): void {
    const all = [...(this.#waiting.get(subject) ?? [])];
    if (!this.#isOneByOne(subject)) for (const waiting of all) finish(waiting);
    else {
      const next = all.find((waiting) => waiting.resolve !== undefined) ?? all.find((waiting) => !waiting.woken);
      if (next !== undefined) finish(next);
    }
  }

  /** Sleeps until the first look that is due, looks, and so on while anybody waits. */
  async #run(start: number): Promise<void> {
    const { clock } = this.#options;
    this.#ticking = true;
    let now = start;
    for (;;) {
      const all = this.#all();
      if (all.length === 0) break;
      const tick = Math.min(...all.map((waiting) => Math.min(waiting.nextLook, waiting.end)));
      let due = true;
      if (tick > now) {
        this.#tick = tick;
        this.#sooner = new AbortController();
        await clock.sleep(tick - now, this.#sooner.signal);
        this.#tick = Number.POSITIVE_INFINITY;
        // What the sleep was for is due, whatever the clock says; unless an earlier look ended it.
        due = !this.#sooner.signal.aborted;
      }
      // Without a sleep it is due in any case: a round that neither sleeps nor looks would be the same for ever.
      if (due) await this.#look(tick);
      now = clock.monotonic();
    }
    this.#ticking = false;
  }

  #all(): Waiting[] {
    return [...this.#waiting.values()].flatMap((set) => [...set].filter((waiting) => waiting.resolve !== undefined));
  }

  /** Ends those whose time is up, and asks for those whose look is due. */
  async #look(tick: number): Promise<void> {
    const due: Waiting[] = [];
    for (const waiting of this.#all()) {
      if (waiting.end <= tick) finish(waiting);
      else if (waiting.nextLook - waitBefore(waiting.looks) * EARLY_SHARE <= tick) due.push(waiting);
    }
    if (due.length === 0) return;
    const hasCome = await this.#probe(due);
    const now = this.#options.clock.monotonic();
    /** Subjects of which one has been woken, and no other is. */
    const taken = new Set<string>();
    for (const waiting of due) {
      waiting.looks += 1;
      waiting.nextLook = now + waitBefore(waiting.looks);
      const { subject } = waiting;
      if (waiting.resolve === undefined || taken.has(subject) || !hasCome(waiting)) continue;
      finish(waiting);
      if (this.#isOneByOne(subject)) taken.add(subject);
    }
  }

  /** When nobody can say, all are to look for themselves: that tells them why. */
  async #probe(awaited: readonly Awaited[]): Promise<(one: Awaited) => boolean> {
    try {
      return await this.#options.probe(awaited);
    } catch {
      return () => true;
    }
  }
}

function waitBefore(look: number): number {
  return Math.min(FIRST_WAIT_MILLISECONDS * GROWTH ** look, LONGEST_WAIT_MILLISECONDS);
}

function finish(waiting: Waiting): void {
  const { resolve } = waiting;
  waiting.resolve = undefined;
  if (resolve === undefined) waiting.woken = true;
  else resolve();
}
