import type { Clock } from "../../model/clock.ts";
import { channelOf } from "../../model/values.ts";
import type { Store } from "../../store/store.ts";
import { outsideTrace } from "../../trace/current-trace.ts";

/** The wait between two looks at an empty mailbox: messages of other processes, delays and ended leases wake nobody here. */
const FIRST_WAIT_MILLISECONDS = 50;
const LONGEST_WAIT_MILLISECONDS = 1_000;
const GROWTH = 1.6;
/** A look comes up to this share of its wait early when another one is due: one probe asks for both. */
const EARLY_SHARE = 0.25;

/** One long poll. */
export interface Waiter {
  /** Resolves when a claim may find something, at `end` (as the clock tells it), or when its caller has gone. */
  next(end: number): Promise<void>;
  /** To be called in any case. */
  end(): void;
}

interface Waiting {
  mailbox: string;
  /** Looks so far. */
  looks: number;
  nextLook: number;
  end: number;
  /** Something came while it was not waiting. */
  woken: boolean;
  resolve: (() => void) | undefined;
}

/**
 * Long polls of this process. A message that becomes deliverable here ends them at once; for all others, one probe asks the
 * store for every mailbox whose look is due, so that those who wait hold no connection and cost no claims.
 */
export class MailboxWaiters {
  readonly #store: Store;
  readonly #clock: Clock;
  /** By mailbox: an agent's id, or `#` and the name of a channel. */
  readonly #waiting = new Map<string, Set<Waiting>>();
  readonly #stop: () => void;
  #ticking = false;
  /** When the current sleep ends, and what ends it sooner. */
  #tick = Number.POSITIVE_INFINITY;
  #sooner = new AbortController();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#stop = store.onDeliverable((mailbox) => this.#wake(mailbox));
  }

  /** Begins to listen: whatever becomes deliverable from now on ends `next`. */
  listen(mailbox: string, signal?: AbortSignal): Waiter {
    const waiting: Waiting = { mailbox, looks: 0, nextLook: 0, end: 0, woken: false, resolve: undefined };
    const set = this.#waiting.get(mailbox) ?? new Set();
    this.#waiting.set(mailbox, set.add(waiting));
    const wake = () => finish(waiting);
    signal?.addEventListener("abort", wake);
    return {
      next: (end) => this.#next(waiting, end),
      end: () => {
        signal?.removeEventListener("abort", wake);
        set.delete(waiting);
        if (set.size === 0 && this.#waiting.get(mailbox) === set) this.#waiting.delete(mailbox);
        finish(waiting);
        // Whoever found something may have left more; whoever was woken and went away has left it all.
        if (channelOf(mailbox) !== undefined) this.#wake(mailbox);
      },
    };
  }

  #next(waiting: Waiting, end: number): Promise<void> {
    if (waiting.woken) {
      waiting.woken = false;
      return Promise.resolve();
    }
    const now = this.#clock.monotonic();
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
   * All who wait for an agent's mailbox. Of the members who wait for a channel's, the one that has waited longest, who wakes the
   * next when it is done: a message is for one of them, and the claims of all the others would find nothing.
   */
  #wake(mailbox: string): void {
    const all = [...(this.#waiting.get(mailbox) ?? [])];
    if (channelOf(mailbox) === undefined) for (const waiting of all) finish(waiting);
    else {
      const next = all.find((waiting) => waiting.resolve !== undefined) ?? all.find((waiting) => !waiting.woken);
      if (next !== undefined) finish(next);
    }
  }

  /** Sleeps until the first look that is due, looks, and so on while anybody waits. */
  async #run(start: number): Promise<void> {
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
        await this.#clock.sleep(tick - now, this.#sooner.signal);
        this.#tick = Number.POSITIVE_INFINITY;
        // What the sleep was for is due, whatever the clock says; unless an earlier look ended it.
        due = !this.#sooner.signal.aborted;
      }
      // Without a sleep it is due in any case: a round that neither sleeps nor looks would be the same for ever.
      if (due) await this.#look(tick);
      now = this.#clock.monotonic();
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
    const found = await this.#probe([...new Set(due.map(({ mailbox }) => mailbox))]);
    const now = this.#clock.monotonic();
    for (const waiting of due) {
      waiting.looks += 1;
      waiting.nextLook = now + waitBefore(waiting.looks);
      const { mailbox } = waiting;
      if (!found.has(mailbox) || waiting.resolve === undefined) continue;
      finish(waiting);
      // As in #wake: one member of a channel after the other.
      if (channelOf(mailbox) !== undefined) found.delete(mailbox);
    }
  }

  /** When the store cannot say, all are to claim: that tells them why. */
  async #probe(mailboxes: readonly string[]): Promise<Set<string>> {
    try {
      return new Set(await this.#store.findDeliverable(mailboxes));
    } catch {
      return new Set(mailboxes);
    }
  }

  /** Stops listening to the store. */
  close(): void {
    this.#stop();
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
