/** How replies are laid out for a person: how wide the terminal is, and what time it is. */
export interface View {
  /** Columns of the terminal; undefined where the output goes to a file or a pipe, which are never cut. */
  columns: number | undefined;
  /** Milliseconds since the Unix epoch, by the clock of this machine. */
  now: number;
}

const SECOND_MILLISECONDS = 1_000;
/** From the largest unit to the smallest; beyond 30 days a date says more than a number of days. */
const UNITS: readonly { unit: Intl.RelativeTimeFormatUnit; milliseconds: number }[] = [
  { unit: "day", milliseconds: 86_400 * SECOND_MILLISECONDS },
  { unit: "hour", milliseconds: 3_600 * SECOND_MILLISECONDS },
  { unit: "minute", milliseconds: 60 * SECOND_MILLISECONDS },
  { unit: "second", milliseconds: SECOND_MILLISECONDS },
];
const LONGEST_MILLISECONDS = 30 * 86_400 * SECOND_MILLISECONDS;

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

const format = new Intl.RelativeTimeFormat("en", { style: "narrow" });

/**
 * A time as its distance from now.
 *
 * @param time ISO 8601; any other text is given back as it is
 * @returns for example `3m ago` or `in 2h`; `now` for less than a second, the date alone when it is more than 30 days away
 * @example
 * relativeTime("2026-01-01T00:00:00.000Z", { now: Date.parse("2026-01-01T00:03:00Z"), columns: 80 }) // "3m ago"
 */
export function relativeTime(time: string, { now }: View): string {
  if (!ISO_TIME.test(time)) return time;
  const distance = Date.parse(time) - now;
  if (Math.abs(distance) > LONGEST_MILLISECONDS) return time.slice(0, 10);
  const largest = UNITS.find(({ milliseconds }) => Math.abs(distance) >= milliseconds);
  return largest === undefined ? "now" : format.format(Math.trunc(distance / largest.milliseconds), largest.unit);
}

/** Whether a value of this name is a time of ours: `createdAt`, `deadline`. */
export function isTime(name: string, value: unknown): value is string {
  return typeof value === "string" && /(?:At|^deadline|^since)$/.test(name) && ISO_TIME.test(value);
}
