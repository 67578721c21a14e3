/** Times as the stores keep them: milliseconds since the epoch. */

export const HOUR_MILLISECONDS = 3_600_000;
export const DAY_MILLISECONDS = 86_400_000;

/** Texts of times that were asked for last: the messages of a group share theirs, and making one takes 1 µs. */
const REMEMBERED = 16;
const times: number[] = [];
const texts: string[] = [];

/** A stored time as callers see it: ISO 8601 in UTC. */
export function iso(milliseconds: number): string {
  const place = milliseconds % REMEMBERED;
  const known = texts[place];
  if (known !== undefined && times[place] === milliseconds) return known;
  const text = new Date(milliseconds).toISOString();
  times[place] = milliseconds;
  texts[place] = text;
  return text;
}
