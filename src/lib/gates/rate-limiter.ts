import { BoundedMap } from "../base/bounded-map.ts";
import type { Clock } from "../model/clock.ts";

/**
 * How many requests a caller may make: a token bucket per key, as RFC 2697 and many others have them. A bucket holds `burst`
 * tokens and fills at `perSecond`; a request takes one. (Of the libraries none takes a clock.)
 *
 * There is no timer and no clean-up: a bucket is two numbers, and beyond `maxKeys` the one that was used longest ago is
 * forgotten, which at worst lets its owner begin with a full one.
 */

/** About 1 MB of buckets at most. */
const DEFAULT_MAX_KEYS = 10_000;

interface Bucket {
  tokens: number;
  /** When `tokens` was true, by the clock. */
  at: number;
}

export interface RateLimiterOptions {
  clock: Clock;
  /** Tokens that come in a second; 0: no limit at all. */
  perSecond: number;
  /** Tokens that a bucket holds. */
  burst: number;
  maxKeys?: number;
}

export class RateLimiter {
  readonly #options: RateLimiterOptions;
  /** In the order of their last use. */
  readonly #buckets: BoundedMap<string, Bucket>;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#buckets = new BoundedMap(options.maxKeys ?? DEFAULT_MAX_KEYS);
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a token.
   *
   * @returns 0 when there was one, otherwise the seconds after which there will be
   * @example
   * const seconds = limiter.take(source);
   * if (seconds > 0) throw new AgentCommunicationError("RATE_LIMITED", "…", { retryAfterSeconds: seconds });
   */
  take(key: string): number {
    if (this.#options.perSecond === 0) return 0;
    const bucket = this.#filled(key);
    const missing = 1 - bucket.tokens;
    if (missing <= 0) bucket.tokens -= 1;
    this.#remember(key, bucket);
    return missing <= 0 ? 0 : missing / this.#options.perSecond;
  }

  /** Takes so many tokens at once for what has been done already; those that are missing have to come back first. */
  charge(key: string, tokens: number): void {
    if (this.#options.perSecond === 0) return;
    const bucket = this.#filled(key);
    bucket.tokens -= tokens;
    this.#remember(key, bucket);
  }

  /** As `take`, and takes nothing: for what is counted only once it has gone wrong. */
  wait(key: string): number {
    if (this.#options.perSecond === 0 || !this.#buckets.has(key)) return 0;
    return Math.max(0, 1 - this.#filled(key).tokens) / this.#options.perSecond;
  }

  /** The bucket of `key` as it is now. */
  #filled(key: string): Bucket {
    const { clock, perSecond, burst } = this.#options;
    const now = clock.now();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return { tokens: burst, at: now };
    // A machine's clock may be set back; nobody's tokens are taken away for that.
    const gained = (Math.max(0, now - bucket.at) / 1_000) * perSecond;
    return { tokens: Math.min(burst, bucket.tokens + gained), at: now };
  }

  #remember(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
  }
}
