import { Cron } from "croner";

/**
 * Cron expressions of five fields in a time zone, by the croner library (https://github.com/Hexagon/croner). The timers of the hosts have
 * a grammar of their own (schedule.ts), which is that of Azure Functions and has no time zones.
 */

/** What a field may be made of: the extensions of the library (`L`, `W`, `#`, `?`, `+`, nicknames) are left out. */
const FIELD = /^[0-9A-Za-z*,/-]+$/;
const EXTENSIONS = /(^|[^A-Za-z])[LW]([^A-Za-z]|$)|[0-9][LW]/i;
/** IANA names begin with a letter; offsets such as `+02:00` name no zone. */
const ZONE = /^[A-Za-z][A-Za-z0-9_+/-]*$/;

/** What is wrong with a field of the request. */
export class BadCron extends Error {
  readonly field: "cron" | "timezone";

  constructor(field: "cron" | "timezone", message: string) {
    super(message);
    this.field = field;
  }
}

/** When something is due, again and again. Milliseconds since 1970. */
export interface DueTimes {
  /** The first due time after `time`; undefined where there is none any more. */
  after(time: number): number | undefined;
  /** The last due time that is not after `until`, from `since` on, which is one itself. */
  newest(since: number, until: number): number;
}

/** Looked through one after the other for the newest due time: each long enough for the next rarer kind of schedule. */
const WINDOWS = [3_600_000, 86_400_000, 32 * 86_400_000, 367 * 86_400_000] as const;

/**
 * Times that a clock change leaves out are due at the first minute after it, and times that it repeats are due once, where minute and hour
 * are numbers, lists or ranges; with `*` or a step in one of them, each time that exists is due, repeated ones twice.
 *
 * @throws BadCron for an expression that is malformed or never due, and for an unknown time zone
 * @example
 * dueTimes("30 2 * * *", "Europe/Berlin").after(Date.now());
 */
export function dueTimes(cron: string, timezone: string, now: number): DueTimes {
  requireZone(timezone);
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5) {
    throw new BadCron("cron", "must be five fields: minute, hour, day of the month, month, day of the week");
  }
  const wrong = fields.find((field) => !FIELD.test(field) || EXTENSIONS.test(field));
  if (wrong !== undefined) throw new BadCron("cron", `"${wrong}" is not made of numbers, names, * , - and /`);
  const job = parseFields(fields.join(" "), timezone);
  const after = (time: number) => job.nextRun(new Date(time))?.getTime();
  if (after(now) === undefined) throw new BadCron("cron", "is never due: no month that it names has such a day");
  return { after, newest: (since, until) => newest(after, since, until) };
}

function requireZone(timezone: string): void {
  try {
    if (ZONE.test(timezone)) {
      new Intl.DateTimeFormat("en", { timeZone: timezone });
      return;
    }
  } catch {
    // It is told below.
  }
  throw new BadCron("timezone", "must be the IANA name of a time zone, such as Europe/Berlin");
}

function parseFields(fields: string, timezone: string): Cron {
  try {
    return new Cron(fields, { timezone, mode: "5-part", fixedTimeRule: "no-wildcard", paused: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    throw new BadCron("cron", `is not a cron expression: ${reason}`);
  }
}

function newest(after: DueTimes["after"], since: number, until: number): number {
  for (const window of WINDOWS) {
    const from = until - window;
    if (from <= since) break;
    const found = lastUpTo(after, after(from), until);
    if (found !== undefined) return found;
  }
  return lastUpTo(after, since, until) ?? since;
}

function lastUpTo(after: DueTimes["after"], first: number | undefined, until: number): number | undefined {
  let last: number | undefined;
  for (let due = first; due !== undefined && due <= until; due = after(due)) last = due;
  return last;
}
