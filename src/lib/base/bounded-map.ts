/**
 * A map of at most `max` entries: one more takes the place of the one that was set first. For what may be forgotten, so that
 * strangers cannot fill the memory. Setting a key again leaves it where it stands.
 *
 * @example
 * const known = new BoundedMap<string, boolean>(20_000);
 */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #max: number;

  /** @param max at least 1 */
  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: Key, value: Value): this {
    if (this.size >= this.#max && !this.has(key)) {
      const oldest = this.keys().next();
      if (!oldest.done) this.delete(oldest.value);
    }
    return super.set(key, value);
  }
}
