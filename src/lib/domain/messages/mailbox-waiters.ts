import { type Waiter, Waiters } from "../../base/waiters.ts";
import type { Clock } from "../../model/clock.ts";
import { channelOf } from "../../model/values.ts";
import type { Store } from "../../store/store.ts";

/**
 * Long polls of mailboxes: of an agent's, by its id, or of a channel's, by `#` and its name. A message that becomes deliverable
 * in this process ends them at once; messages of other processes, delays and ended leases are found by a probe that asks the store
 * for every mailbox together.
 */
export class MailboxWaiters {
  readonly #waiters: Waiters;
  readonly #stop: () => void;

  constructor(store: Store, clock: Clock) {
    this.#waiters = new Waiters({
      clock,
      probe: async (awaited) => {
        const found = new Set(await store.findDeliverable([...new Set(awaited.map(({ subject }) => subject))]));
        return ({ subject }) => found.has(subject);
      },
      // A message of a work queue is for one of its members.
      oneByOne: (mailbox) => channelOf(mailbox) !== undefined,
    });
    this.#stop = store.onDeliverable((mailbox) => this.#waiters.wake(mailbox));
  }

  /** Begins to listen: whatever becomes deliverable from now on ends `next`. */
  listen(mailbox: string, signal?: AbortSignal): Waiter {
    return this.#waiters.listen({ subject: mailbox, after: 0 }, signal);
  }

  /** Stops listening to the store. */
  close(): void {
    this.#stop();
  }
}
