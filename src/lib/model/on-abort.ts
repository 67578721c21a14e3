/**
 * Callbacks on the abort of a signal, through one listener per signal. Node warns of a leak at eleven listeners on one
 * signal (`MaxListenersExceededWarning`), and a caller may well give one signal to a hundred calls.
 */

interface Waiting {
  callbacks: Set<() => void>;
  listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = () => {
    waiting.delete(signal);
    // A callback may take away another one that has not been called yet.
    for (const callback of [...callbacks]) if (callbacks.has(callback)) callback();
  };
  signal.addEventListener("abort", listener, { once: true });
  const entry = { callbacks, listener };
  waiting.set(signal, entry);
  return entry;
}

/**
 * Calls `callback` once when the signal aborts, at once when it has aborted already. The callback must not throw.
 *
 * @returns takes the callback away again; the listener goes with the last one
 * @example
 * const leave = onAbort(signal, () => socket.destroy());
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  const entry = waiting.get(signal) ?? listenTo(signal);
  // Of its own, so that the same function given twice counts twice.
  const own = () => callback();
  entry.callbacks.add(own);
  return () => {
    entry.callbacks.delete(own);
    if (entry.callbacks.size > 0 || waiting.get(signal) !== entry) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", entry.listener);
  };
}
