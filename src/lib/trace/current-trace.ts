import { AsyncLocalStorage } from "node:async_hooks";
import type { Span } from "./telemetry.ts";

/** The trace that the code runs in. Without telemetry it is what the caller sent, handed on to those who trace. */

/** A place in a trace, with the span under way there when it is one of ours. */
export interface CurrentTrace {
  traceparent: string;
  span?: Span;
}

/** Explicitly no trace: work that many calls share belongs to none of theirs. */
const NONE: CurrentTrace = { traceparent: "" };

const storage = new AsyncLocalStorage<CurrentTrace>();

/** Runs `run`, and whatever it starts, in that place. */
export function inTrace<Result>(trace: CurrentTrace, run: () => Result): Result {
  return storage.run(trace, run);
}

/** Runs `run`, and whatever it starts, outside of the trace of whoever happens to start it. */
export function outsideTrace<Result>(run: () => Result): Result {
  return storage.getStore() === undefined ? run() : storage.run(NONE, run);
}

/** The `traceparent` to be stored or sent along; undefined outside of a trace. */
export function currentTraceparent(): string | undefined {
  return storage.getStore()?.traceparent || undefined;
}

/** The span under way; undefined without telemetry. */
export function currentSpan(): Span | undefined {
  return storage.getStore()?.span;
}

/** For lines of a log; undefined outside of a trace. */
export function currentTraceId(): string | undefined {
  return currentTraceparent()?.slice(3, 35);
}
