/** Who in this process wants to know when messages become deliverable; the same for both engines. */
export class DeliverableListeners {
  readonly #listeners = new Set<(agentId: string) => void>();

  /** @returns what takes the listener away again */
  add(listener: (agentId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells them all. One that throws harms neither the others nor the store. */
  notify(agentId: string): void {
    for (const listener of this.#listeners) {
      try {
        listener(agentId);
      } catch {
        // Waking a long poll is a courtesy; the poll finds the message by itself.
      }
    }
  }
}
