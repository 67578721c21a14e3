import { tell } from "./tell.ts";

/**
 * The signal that a handler gets. A listener that throws (or rejects) on an ordinary AbortSignal ends a Node process: the
 * exception is thrown again outside everything that could catch it (https://nodejs.org/api/events.html#eventtarget-error-handling).
 * On this one it goes to `onFault`. Signals that the handler derives from it are the handler's own.
 */

type Add = AbortSignal["addEventListener"];
type Remove = AbortSignal["removeEventListener"];
type Listener = Parameters<Add>[1];

/** Both forms of a listener: a function, and an object with `handleEvent`. */
function call(signal: AbortSignal, listener: Listener, event: Event): unknown {
  return typeof listener === "function" ? Reflect.apply(listener, signal, [event]) : listener.handleEvent(event);
}

/**
 * Makes the listeners of this very signal harmless, also one that is set as `onabort`.
 *
 * @param onFault told what a listener threw or rejected with
 * @returns the signal
 */
export function guardSignal(signal: AbortSignal, onFault: (error: unknown) => void): AbortSignal {
  const guarded = new WeakMap<object, (event: Event) => void>();
  const guard = (listener: Listener) => {
    const known = guarded.get(listener);
    if (known !== undefined) return known;
    const made = (event: Event) => tell(() => call(signal, listener, event), onFault);
    guarded.set(listener, made);
    return made;
  };
  const isListener = (value: unknown): value is Listener =>
    (typeof value === "object" && value !== null) || typeof value === "function";

  const add: Add = signal.addEventListener.bind(signal);
  const remove: Remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, listener: Listener, options?: Parameters<Add>[2]) =>
    add(type, isListener(listener) ? guard(listener) : listener, options);
  signal.removeEventListener = (type: string, listener: Listener, options?: Parameters<Remove>[2]) =>
    remove(type, isListener(listener) ? (guarded.get(listener) ?? listener) : listener, options);

  let onabort: Listener | null = null;
  Object.defineProperty(signal, "onabort", {
    get: () => onabort,
    set: (listener: unknown) => {
      if (onabort !== null) signal.removeEventListener("abort", onabort);
      onabort = isListener(listener) ? listener : null;
      if (onabort !== null) signal.addEventListener("abort", onabort);
    },
  });
  return signal;
}
