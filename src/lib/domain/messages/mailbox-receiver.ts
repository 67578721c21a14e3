import type { Clock } from "../../model/clock.ts";
import type { LeasedMessage } from "../../model/message.ts";
import type { Claim, Store } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import { MailboxWaiters } from "./mailbox-waiters.ts";
import type { MessageContents } from "./message-contents.ts";
import type { Polls } from "./polls.ts";

/** Messages that a receive passes over because the key for them cannot be had, before it says so. */
const UNREAD_MAX = 200;

/** How long a receive may wait for its first message, and what ends it sooner. */
export interface Patience {
  waitSeconds: number;
  signal: AbortSignal | undefined;
}

/** Leases messages, at once or in a long poll. */
export class MailboxReceiver {
  readonly #store: Store;
  readonly #contents: MessageContents;
  readonly #waiters: MailboxWaiters;
  readonly #clock: Clock;
  readonly #polls: Polls;

  constructor(store: Store, clock: Clock, contents: MessageContents, polls: Polls) {
    this.#store = store;
    this.#contents = contents;
    this.#clock = clock;
    this.#polls = polls;
    this.#waiters = new MailboxWaiters(store, clock);
  }

  /**
   * Leases due messages by rank. With `waitSeconds` it waits for the first: it wakes at once for a message of this
   * process, and asks at a growing interval (50 ms to 1 s) whether there are others, together with all that wait. It claims
   * first, when it was told of something, and last. When `signal` aborts, it ends without claiming.
   *
   * @param mailbox an agent's id, or `#` and the name of a channel
   * @param admit asked before each claim; it throws when the caller may not receive any more
   * @throws RATE_LIMITED when the credential has too many long polls already; KEY_UNAVAILABLE, when there is nothing but what it cannot decrypt now; and what the store throws
   */
  async receive(
    mailbox: string,
    claim: Claim,
    { waitSeconds, signal }: Patience,
    admit?: () => Promise<unknown>,
  ): Promise<LeasedMessage[]> {
    if (waitSeconds === 0) return await this.#claim(claim, admit);
    const leave = this.#polls.enter(currentCall().credentialId);
    try {
      return await this.#wait(mailbox, claim, { waitSeconds, signal }, admit);
    } finally {
      leave();
    }
  }

  /**
   * Waits until something in a mailbox can be received, the time is over, or `signal` aborts; leases nothing.
   *
   * @throws RATE_LIMITED when the credential has too many long polls already
   */
  async untilDeliverable(mailbox: string, { waitSeconds, signal }: Patience): Promise<void> {
    if (waitSeconds === 0) return;
    const leave = this.#polls.enter(currentCall().credentialId);
    const end = this.#clock.monotonic() + waitSeconds * 1_000;
    const waiter = this.#waiters.listen(mailbox, signal);
    try {
      while (!signal?.aborted && this.#clock.monotonic() < end) {
        if ((await this.#store.findDeliverable([mailbox])).length > 0) break;
        await waiter.next(end);
      }
      // As after a receive: the right may have been taken away meanwhile.
      if (!signal?.aborted) await currentCall().confirm?.();
    } finally {
      waiter.end();
      leave();
    }
  }

  async #wait(
    mailbox: string,
    claim: Claim,
    { waitSeconds, signal }: Patience,
    admit: (() => Promise<unknown>) | undefined,
  ): Promise<LeasedMessage[]> {
    const end = this.#clock.monotonic() + waitSeconds * 1_000;
    // Listening before looking: what arrives in between is not missed.
    const waiter = this.#waiters.listen(mailbox, signal);
    try {
      while (!signal?.aborted) {
        const messages = await this.#claim(claim, admit);
        if (messages.length > 0 || this.#clock.monotonic() >= end) return messages;
        await waiter.next(end);
        // Whoever has waited may have lost its credential meanwhile. (Whoever has gone is asked nothing.)
        if (!signal?.aborted) await currentCall().confirm?.();
      }
      return [];
    } finally {
      waiter.end();
    }
  }

  /** Claims until something comes or nothing is left to work off; past what cannot be read now, up to a bound. */
  async #claim(claim: Claim, admit: (() => Promise<unknown>) | undefined): Promise<LeasedMessage[]> {
    if (admit !== undefined) await admit();
    let passed = 0;
    for (let unread: unknown; ; ) {
      const { messages, unfinished } = await this.#store.claimMessages(claim);
      if (messages.length === 0 && !unfinished) {
        if (unread !== undefined) throw unread;
        return [];
      }
      const revealed = await this.#contents.revealLeased(claim.agentId, messages);
      if (revealed.readable.length > 0) return revealed.readable;
      unread = revealed.unread ?? unread;
      passed += messages.length;
      if (unread !== undefined && passed >= UNREAD_MAX) throw unread;
    }
  }

  /** Stops listening to the store. */
  close(): void {
    this.#waiters.close();
  }
}
