import type { Clock } from "../lib/model/clock.ts";
import { isOurs } from "./handler-errors.ts";
import { isTransient, LONGEST_SILENCE_MILLISECONDS } from "./retry-policy.ts";

/** Says something again and again until it is answered: a result is worth more than the call that failed to deliver it. */

/** The first wait between two calls is at most twice this long, each further one at most twice the one before. */
const FIRST_WAIT_MILLISECONDS = 500;
/** As often as heartbeats are sent by default: a credential that is refused for good must not be tried all the time. */
const LONGEST_WAIT_MILLISECONDS = 30_000;

/** Milliseconds until call number `call` (2 for the first repeat): from half of the bound up to the bound, or Retry-After, up to five minutes. */
export function persistenceWait(call: number, retryAfterSeconds: number | undefined, random: number): number {
  const bound = Math.min(FIRST_WAIT_MILLISECONDS * 2 ** Math.min(call - 1, 16), LONGEST_WAIT_MILLISECONDS);
  const asked = Math.min((retryAfterSeconds ?? 0) * 1_000, LONGEST_SILENCE_MILLISECONDS);
  return Math.max((bound / 2) * (1 + random), asked);
}

/** True when the service did not decide: nothing answered, or it said "later". */
export function isUndecided(error: unknown): boolean {
  return isOurs(error) && isTransient(error.status);
}

/** When to continue, and what to notify. */
export interface Persistence {
  clock: Clock;
  /** Ends the wait between two calls. */
  wake: AbortSignal;
  /** True when the error decides the matter, or the answer is no longer needed. */
  isFinal(error: unknown): boolean;
  /** Told of every failure that is followed by another call. */
  onFailure(error: unknown): void;
}

/**
 * Calls until it succeeds. Each call has its own retry budget; this goes on where that ends.
 *
 * @throws what the last call threw, once `isFinal` says so
 */
export async function persist<Reply>(call: () => Promise<Reply>, persistence: Persistence): Promise<Reply> {
  const { clock, wake, isFinal, onFailure } = persistence;
  for (let calls = 2; ; calls++) {
    try {
      return await call();
    } catch (error) {
      if (isFinal(error)) throw error;
      onFailure(error);
      const retryAfter = isOurs(error) ? error.retryAfterSeconds : undefined;
      await clock.sleep(persistenceWait(calls, retryAfter, Math.random()), wake);
      if (isFinal(error)) throw error;
    }
  }
}
