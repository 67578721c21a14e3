/**
 * NCRONTAB as the Azure Functions host has it: the grammar and the times of its library (NCrontab.Signed 3.4.0,
 * https://github.com/atifaziz/NCrontab), so that a schedule means the same on both hosts. It differs from other crons: day and weekday must
 * both fit, a step may begin at a value (`0/15`) and exceed its range (90 of 60 minutes), ends may be swapped (`FRI-MON` is Monday to Friday), a name
 * may be cut anywhere (`T` is Tuesday), Sunday is 0 only, and `?`, `L`, `W`, `#` do not exist. test/hosts/local/schedules.json has what was tried.
 */

interface FieldKind {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const MONTHS = "january february march april may june july august september october november december".split(" ");
const WEEKDAYS = "sunday monday tuesday wednesday thursday friday saturday".split(" ");

const KINDS: readonly FieldKind[] = [
  { name: "second", min: 0, max: 59 },
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day", min: 1, max: 31 },
  { name: "month", min: 1, max: 12, names: MONTHS },
  { name: "weekday", min: 0, max: 6, names: WEEKDAYS },
];

/** Numbers of the library are 32 bits: beyond them it fails. */
const INTEGER_MAX = 2_147_483_647;

function integer(text: string, pattern: RegExp): number {
  const value = pattern.test(text) ? Number(text) : Number.NaN;
  if (!(Math.abs(value) <= INTEGER_MAX)) throw new Error(`"${text}" is not a number`);
  return value;
}

function valueIn(text: string, { name, min, names }: FieldKind): number {
  if (/^[0-9]/.test(text)) return integer(text, /^[0-9]+[\t-\r]*$/);
  const lower = text.toLowerCase();
  const index = lower === "" ? -1 : (names?.findIndex((known) => known.startsWith(lower)) ?? -1);
  if (index < 0) throw new Error(`"${text}" is not a ${name}`);
  return min + index;
}

/** Ends and step of one element of a list: `*`, `5`, `5/10`, `1-5`, `0-30/2`. */
function rangeOf(element: string, kind: FieldKind): { from: number; to: number; step: number } {
  const slash = element.indexOf("/");
  const range = slash > 0 ? element.slice(0, slash) : element;
  // A step below 1 counts as 1.
  const step = slash > 0 ? Math.max(1, integer(element.slice(slash + 1), /^[\t-\r]*[+-]?[0-9]+[\t-\r]*$/)) : 1;
  if (range === "*") return { from: kind.min, to: kind.max, step };
  const dash = range.indexOf("-");
  const first = valueIn(dash > 0 ? range.slice(0, dash) : range, kind);
  const last = dash > 0 ? valueIn(range.slice(dash + 1), kind) : slash > 0 ? kind.max : first;
  return { from: Math.min(first, last), to: Math.max(first, last), step };
}

/** Which values a field names, by value. @throws Error saying what is wrong */
function fieldOf(text: string, kind: FieldKind): boolean[] {
  const named: boolean[] = new Array(kind.max + 1).fill(false);
  for (const element of text.split(",")) {
    const { from, to, step } = rangeOf(element, kind);
    if (from < kind.min || to > kind.max) throw new Error(`a ${kind.name} is ${kind.min} to ${kind.max}`);
    if (from - kind.min + step > INTEGER_MAX) throw new Error(`the step of "${element}" is too large`);
    for (let value = from; value <= to; value += step) named[value] = true;
  }
  return named;
}

const DAY = 86_400_000;
/** The rarest day that exists, a 29th of February on a given weekday, comes within 40 years. */
const LOOKED_DAYS = 41 * 366;

/**
 * When something is to be done. Times are UTC, as on Azure.
 *
 * @example
 * parseSchedule("0 0 3 * * *").next(Date.now()); // the next three o'clock
 */
export interface Schedule {
  /** The first time after `time` (milliseconds since the epoch); undefined for one that never comes, such as the 30th of February. */
  next(time: number): number | undefined;
  /** The last time that is not after `time`; undefined when there was none in 41 years. */
  last(time: number): number | undefined;
}

/**
 * @param text six fields: second minute hour day month weekday; or five: without the second, which is then 0
 * @throws Error saying what is wrong, in a few words
 */
export function parseSchedule(text: string): Schedule {
  const given = text.split(" ").filter((field) => field !== "");
  const fields = given.length === 5 ? ["0", ...given] : given;
  if (fields.length !== KINDS.length) {
    throw new Error("must be six NCRONTAB fields (second minute hour day month weekday), or five without the second");
  }
  const [seconds, minutes, hours, days, months, weekdays] = KINDS.map((kind, index) =>
    fieldOf(fields[index] ?? "", kind),
  );
  const times = timesOfDay(hours ?? [], minutes ?? [], seconds ?? []);
  const fits = (day: number): boolean => {
    const date = new Date(day);
    return Boolean(days?.[date.getUTCDate()] && months?.[date.getUTCMonth() + 1] && weekdays?.[date.getUTCDay()]);
  };
  const look = (time: number, direction: 1 | -1): number | undefined => {
    let day = Math.floor(time / DAY) * DAY;
    for (let looked = 0; looked < LOOKED_DAYS; looked += 1, day += direction * DAY) {
      if (!fits(day)) continue;
      const found = direction === 1 ? times.after(time - day) : times.upTo(time - day);
      if (found !== undefined) return day + found;
    }
    return undefined;
  };
  return { next: (time) => look(time, 1), last: (time) => look(time, -1) };
}

interface TimesOfDay {
  /** In milliseconds since midnight; any number will do for the start. */
  after(time: number): number | undefined;
  upTo(time: number): number | undefined;
}

const valuesOf = (field: readonly boolean[]) => [...field.keys()].filter((value) => field[value]);

/** At most 86,400 times; made at the start of the process, for each of two schedules. */
function timesOfDay(hours: readonly boolean[], minutes: readonly boolean[], seconds: readonly boolean[]): TimesOfDay {
  const secondsOfMinute = valuesOf(seconds);
  const minutesOfHour = valuesOf(minutes);
  const times = valuesOf(hours).flatMap((hour) =>
    minutesOfHour.flatMap((minute) => secondsOfMinute.map((second) => (hour * 3_600 + minute * 60 + second) * 1_000)),
  );
  return {
    after: (time) => times.find((candidate) => candidate > time),
    upTo: (time) => times.findLast((candidate) => candidate <= time),
  };
}
