import type { Clock } from "../../model/clock.ts";
import type { Metrics } from "../../model/statistics.ts";

/**
 * The store's statistics for the gauges, read as seldom as they are exported. Two destinations export at about the same time
 * and share a reading; a process that has not swept for two intervals, because another one does, reads nothing.
 */
export class WatchedStatistics {
  readonly #clock: Clock;
  readonly #intervalMilliseconds: number;
  #read: (() => Promise<Metrics>) | undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #reading: { at: number; metrics: Promise<Metrics | undefined> } | undefined;

  constructor(clock: Clock, intervalMilliseconds: number) {
    this.#clock = clock;
    this.#intervalMilliseconds = intervalMilliseconds;
  }

  watch(read: () => Promise<Metrics>): void {
    this.#read = read;
  }

  swept(): void {
    this.#sweptAt = this.#clock.monotonic();
  }

  /** Undefined when there is nothing to tell, or the store cannot say. */
  async current(): Promise<Metrics | undefined> {
    const now = this.#clock.monotonic();
    const read = this.#read;
    if (read === undefined || now - this.#sweptAt > 2 * this.#intervalMilliseconds) return undefined;
    if (this.#reading === undefined || now - this.#reading.at >= this.#intervalMilliseconds / 2) {
      this.#reading = { at: now, metrics: read().catch(() => undefined) };
    }
    return this.#reading.metrics;
  }
}
