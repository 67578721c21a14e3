import { onAbort } from "../lib/model/on-abort.ts";

/**
 * Waits for `work`, but not longer than until the signal aborts: then it rejects with the signal's reason, even if
 * the work ignores the signal. A later result of the work is dropped.
 */
export function untilAborted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const leave = onAbort(signal, () => reject(signal.reason));
    work.then(resolve, reject).finally(leave);
  });
}
