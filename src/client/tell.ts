/**
 * Calls a listener that a user of the client gave. What it throws, and what a promise that it returns rejects with,
 * ends nothing here: it goes to `onFault`, whose own faults are dropped.
 *
 * @example
 * tell(() => options.onEvent?.(event), (error) => report(error));
 */
export function tell(listener: () => unknown, onFault: (error: unknown) => void = () => undefined): void {
  const fault = (error: unknown) => {
    try {
      onFault(error);
    } catch {
      // No listener is left to report it to.
    }
  };
  try {
    // Promise.resolve also reads a `then` that is a getter which throws.
    Promise.resolve(listener()).then(undefined, fault);
  } catch (error) {
    fault(error);
  }
}
