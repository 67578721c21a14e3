import type { ServerResponse } from "node:http";

/** Signals that say that a caller has gone or that the host stops. Made only for requests that wait. */
export class CallerSignals {
  readonly #waiting = new Set<AbortController>();
  #stopped = false;

  /** The signal of the request that `response` answers. */
  of(response: ServerResponse): AbortSignal {
    const controller = new AbortController();
    if (this.#stopped || response.destroyed) {
      controller.abort();
      return controller.signal;
    }
    this.#waiting.add(controller);
    // The response closes when it is written and when its connection breaks before that, whichever is first.
    response.once("close", () => {
      this.#waiting.delete(controller);
      if (!response.writableFinished) controller.abort();
    });
    return controller.signal;
  }

  /** Aborts all, and those to come. */
  stop(): void {
    this.#stopped = true;
    for (const controller of this.#waiting) controller.abort();
  }
}
