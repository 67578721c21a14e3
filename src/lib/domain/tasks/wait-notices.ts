/**
 * Tells a host that runs all the time that a call of this process may have let a task wait for a time: for the end of a backoff or of a
 * suspension, for an answer, for the time at which it ends or has to be started. The host then asks the store when that is.
 */
export class WaitNotices {
  readonly #listeners = new Set<() => void>();

  /** @returns what takes the listener away again. It must not throw. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  give(): void {
    for (const listener of this.#listeners) listener();
  }
}
