import { type OperationKey, REPEATS } from "../lib/model/operations.ts";

/** When a request is repeated, and how long to wait before. */

/** The first wait is up to this long, and each further one up to twice the one before. */
const FIRST_WAIT_MILLISECONDS = 100;
const LONGEST_WAIT_MILLISECONDS = 5_000;
/**
 * However long a service, or something in front of it, asks to be left alone, what goes on without an end asks again after this: a
 * gateway that says "a day" once must not keep a result from being delivered.
 */
export const LONGEST_SILENCE_MILLISECONDS = 300_000;

/**
 * Milliseconds to wait before repeat number `repeat` (1 for the first): anything from 0 to the bound ("full jitter"),
 * so that callers who failed together do not return together. A Retry-After is waited in full, and the jitter on top.
 *
 * @param random a number in [0, 1), for tests
 */
export function waitMilliseconds(repeat: number, retryAfterSeconds: number | undefined, random: number): number {
  const bound = Math.min(FIRST_WAIT_MILLISECONDS * 2 ** Math.min(repeat - 1, 16), LONGEST_WAIT_MILLISECONDS);
  return Math.round((retryAfterSeconds ?? 0) * 1_000 + bound * random);
}

/**
 * Reads a Retry-After header: seconds, or a date. Undefined when it is neither.
 *
 * @param sentAt the answer's Date header: the difference of two times of one clock is right although ours may be wrong
 * @param now our time in milliseconds, for an answer without a Date
 * @returns seconds, never less than 0
 */
export function parseRetryAfter(header: string | null, sentAt: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}(\.\d{1,3})?$/.test(header.trim())) return Number(header);
  const date = Date.parse(header);
  const from = Date.parse(sentAt ?? "");
  return Number.isNaN(date) ? undefined : Math.max(0, (date - (Number.isNaN(from) ? now : from)) / 1_000);
}

/** Answers that say "not now": ours (429, 503) and those of a gateway that did not reach us (502, 504). */
export function isTransient(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** Whether a call is tried again when its answer was lost. After 429 every call is: that says that nothing was done. */
export function isRepeatable(key: OperationKey): boolean {
  const repeat = REPEATS[key];
  return repeat !== "unsafe" && repeat !== "unneeded";
}

/** Whether a failure is what the call asks about. */
export function isAnswerInItself(key: OperationKey): boolean {
  return REPEATS[key] === "unneeded";
}
