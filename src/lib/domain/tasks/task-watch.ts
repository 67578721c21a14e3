import { Waiters } from "../../base/waiters.ts";
import type { Clock } from "../../model/clock.ts";
import type { Store, StoredTask } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import { Polls } from "../messages/polls.ts";

/** What a reader of a task knows of it, and how long it waits for more. */
export interface Watched {
  afterVersion: number;
  waitSeconds: number;
  /** Ends the wait sooner. */
  signal: AbortSignal | undefined;
}

/**
 * Those who wait for tasks to change. A transition by a call of this process ends a wait at once; what other processes do, and
 * what follows from time, is found by a probe that asks the store for the versions of all watched tasks together.
 */
export class TaskWatch {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #polls: Polls;
  readonly #waiters: Waiters;

  /** @param options.polls left out: no other long polls are counted together with these */
  constructor({ store, clock, polls = new Polls() }: { store: Store; clock: Clock; polls?: Polls }) {
    this.#store = store;
    this.#clock = clock;
    this.#polls = polls;
    this.#waiters = new Waiters({
      clock,
      probe: async (awaited) => {
        const found = await store.findTaskVersions([...new Set(awaited.map(({ subject }) => subject))]);
        const versions = new Map(found.map(({ taskId, version }) => [taskId, version]));
        // One that is not there any more is in the archive: whoever waits for it reads it there.
        return ({ subject, after }) => (versions.get(subject) ?? Number.POSITIVE_INFINITY) > after;
      },
    });
  }

  /** To be called when a call of this process has changed a task, or may have. */
  changed(taskId: string): void {
    this.#waiters.wake(taskId);
  }

  /**
   * Waits until the version of the task is greater than `afterVersion`, and reads it. When the time is over, the signal aborts or
   * the task is archived, which is its last change, the task is returned as it is.
   *
   * @throws TASK_NOT_FOUND; RATE_LIMITED when the credential has too many long polls already; and what its caller may not read any more
   */
  async read(taskId: string, { afterVersion, waitSeconds, signal }: Watched): Promise<StoredTask> {
    const end = this.#clock.monotonic() + waitSeconds * 1_000;
    const leave = this.#polls.enter(currentCall().credentialId);
    // Listening before looking: what changes in between is not missed.
    const waiter = this.#waiters.listen({ subject: taskId, after: afterVersion }, signal);
    try {
      for (;;) {
        const task = await this.#store.getTask(taskId);
        const isNews = task.version > afterVersion || task.archived === true;
        if (isNews || signal?.aborted || this.#clock.monotonic() >= end) return task;
        await waiter.next(end);
        // Whoever has waited may have lost its rights meanwhile.
        await currentCall().confirm?.();
      }
    } finally {
      waiter.end();
      leave();
    }
  }
}
