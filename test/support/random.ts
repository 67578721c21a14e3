/** Repeatable randomness for tests that print their seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    // An item may itself be undefined ("no type at all"), so only the length tells whether there is one.
    const [item] = items.slice(this.between(0, items.length - 1)) as [Item, ...Item[]];
    return item;
  }

  /** Each of `items` or not, evenly. */
  some<Item>(items: readonly Item[]): Item[] {
    return items.filter(() => this.chance(0.5));
  }
}

/**
 * The seed of this run: `SEED` from the environment, to replay one, or a new one. It is printed, so that a failure in a
 * log can be replayed.
 */
export function printedSeed(what: string): number {
  const given = Number(process.env.SEED);
  const seed = Number.isSafeInteger(given) && given > 0 ? given : Math.floor(Math.random() * 2_147_483_646) + 1;
  process.stdout.write(`${what}: SEED=${seed}\n`);
  return seed;
}
