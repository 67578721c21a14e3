import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";

/** The wait between two looks at an empty mailbox: messages of other processes, delays and ended leases wake nobody here. */
const FIRST_WAIT_MILLISECONDS = 50;
const LONGEST_WAIT_MILLISECONDS = 1_000;
const GROWTH = 1.6;

/** Long polls of this process, woken at once when a message of their agent becomes deliverable here. */
export class MailboxWaiters {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #stop: () => void;

  constructor(store: Store, clock: Clock) {
    this.#clock = clock;
    this.#stop = store.onDeliverable((agentId) => {
      for (const wake of this.#waiting.get(agentId) ?? []) wake();
    });
  }

  /** Milliseconds to wait before look number `look` (0 for the first). */
  static wait(look: number): number {
    return Math.min(FIRST_WAIT_MILLISECONDS * GROWTH ** look, LONGEST_WAIT_MILLISECONDS);
  }

  /** Begins to listen; whatever becomes deliverable from now on ends `sleep`. Call `end` in any case. */
  listen(agentId: string, signal?: AbortSignal): { sleep(milliseconds: number): Promise<void>; end(): void } {
    const set = this.#waiting.get(agentId) ?? new Set();
    this.#waiting.set(agentId, set);
    let woken = new AbortController();
    const wake = () => woken.abort();
    set.add(wake);
    signal?.addEventListener("abort", wake);
    return {
      sleep: async (milliseconds) => {
        await this.#clock.sleep(milliseconds, woken.signal);
        if (!signal?.aborted) woken = new AbortController();
      },
      end: () => {
        signal?.removeEventListener("abort", wake);
        set.delete(wake);
        if (set.size === 0 && this.#waiting.get(agentId) === set) this.#waiting.delete(agentId);
      },
    };
  }

  /** Stops listening to the store. */
  close(): void {
    this.#stop();
  }
}
