/** The wait before a retry: 1 s doubling to 5 min, with jitter so that what failed together does not return together. */

export const FIRST_MILLISECONDS = 1_000;
export const LONGEST_MILLISECONDS = 300_000;
/** The jitter takes off up to a fifth: never longer than the nominal wait, never under four fifths of it. */
export const JITTER_SHARE = 0.2;

/**
 * Milliseconds to wait before retry number `retry` (1 for the first).
 *
 * @param random a number in [0, 1), for tests
 * @example
 * backoffMilliseconds(1); // 800–1,000
 * backoffMilliseconds(20); // 240,000–300,000
 */
export function backoffMilliseconds(retry: number, random: number = Math.random()): number {
  const nominal = Math.min(FIRST_MILLISECONDS * 2 ** Math.min(Math.max(retry, 1) - 1, 30), LONGEST_MILLISECONDS);
  return Math.round(nominal * (1 - JITTER_SHARE * random));
}
