import type { Worker } from "./worker.ts";
import type { StopOptions } from "./worker-options.ts";

/** `agent-communication/client/signals`: Node only, and therefore not part of the client's core. */

/**
 * Drains the worker on SIGTERM and SIGINT. A second signal ends the process at once.
 *
 * @returns a promise that resolves when a signal has come and the worker has stopped
 * @example
 * await worker.start();
 * await stopOnSignals(worker);
 */
export function stopOnSignals(worker: Worker, options: StopOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const names = ["SIGTERM", "SIGINT"] as const;
    const stop = () => {
      for (const name of names) process.removeListener(name, stop);
      worker.stop(options).then(resolve, reject);
    };
    for (const name of names) process.on(name, stop);
  });
}
