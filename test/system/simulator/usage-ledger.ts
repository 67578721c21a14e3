import type { Usage } from "../../../src/lib/model/usage.ts";
import { USAGE_COUNTS } from "../../../src/lib/model/usage-counts.ts";
import { HOUR } from "../../contract/support.ts";
import type { FleetRows } from "./fleet-rows.ts";

/** An accepted report of usage. */
export interface Reported {
  taskId: string;
  attempt: number;
  agentId: string;
  usage: Usage | undefined;
}

/** Six numbers, in the order of USAGE_COUNTS. */
type Sums = readonly number[];

const NOTHING: Sums = USAGE_COUNTS.map(() => 0);
const sum = (a: Sums, b: Sums): Sums => a.map((number, place) => number + (b[place] ?? 0));

/**
 * What the store has said of usage, whether its answer was lost on the way or not, counted anew: a report is the totals of its attempt,
 * the difference to those before belongs to the hour in which it came, and the repeat of an end books nothing.
 */
export class UsageLedger {
  readonly #rows: FleetRows;
  readonly #now: () => number;
  /** Per attempt, by provider and model. */
  readonly #attempts = new Map<string, Map<string, Sums>>();
  readonly #hours = new Map<string, Sums>();
  #total = NOTHING;
  readonly #ended = new Set<string>();
  readonly #changed = new Set<string>();
  /** Reports by themselves that said something new. */
  #audited = 0;
  readonly counts = { usageReports: 0, lateUsage: 0 };

  /** @param now the time of the store */
  constructor(rows: FleetRows, now: () => number) {
    this.#rows = rows;
    this.#now = now;
  }

  /** With a progress. */
  reported(report: Reported): void {
    this.#book(report);
  }

  /** With the end of an attempt, of which only the first counts. */
  ended(report: Reported): void {
    const key = `${report.taskId} ${report.attempt}`;
    if (this.#ended.has(key)) return;
    this.#ended.add(key);
    this.#book(report);
  }

  /** By itself, of an attempt in whatever state. @param told the totals of the attempt, as the reply has them */
  late(report: Reported, told: Usage): void {
    if (this.#book(report)) this.#audited += 1;
    this.counts.lateUsage += 1;
    const key = `${report.taskId} ${report.attempt}`;
    this.#compare(key, told.map(lineOf), "was told");
  }

  /** @returns whether it says anything new */
  #book({ taskId, attempt, agentId, usage = [] }: Reported): boolean {
    if (usage.length === 0) return false;
    const key = `${taskId} ${attempt}`;
    const ofAttempt = this.#attempts.get(key) ?? new Map<string, Sums>();
    this.#attempts.set(key, ofAttempt);
    this.#changed.add(key);
    this.counts.usageReports += 1;
    const { supervisor_id: supervisor, task_type: taskType } = this.#rows.task(taskId);
    let isNew = false;
    for (const { provider = "", model = "", ...numbers } of usage) {
      const pair = `${provider} ${model}`;
      const before = ofAttempt.get(pair);
      const total = USAGE_COUNTS.map((count, place) => Math.max(numbers[count] ?? 0, before?.[place] ?? 0));
      const added = total.map((number, place) => number - (before?.[place] ?? 0));
      const adds = added.some((number) => number > 0);
      ofAttempt.set(pair, total);
      isNew ||= adds || before === undefined;
      if (!adds) continue;
      const hour = [this.#now() - (this.#now() % HOUR), agentId, taskType, supervisor, pair].join(" ");
      this.#hours.set(hour, sum(this.#hours.get(hour) ?? NOTHING, added));
      this.#total = sum(this.#total, added);
    }
    return isNew;
  }

  #compare(key: string, kept: readonly string[], what: string): void {
    const counted = [...(this.#attempts.get(key) ?? [])].map(([pair, sums]) => `${pair} ${sums.join(" ")}`);
    requireSame(counted, kept, `the usage of ${key} ${what}`);
  }

  /** What the last step has changed, and the sum of all. */
  look(): void {
    for (const key of this.#changed) {
      const [taskId = "", attempt] = key.split(" ");
      const rows = this.#rows.usageOfAttempt(this.#rows.task(taskId).task_no, Number(attempt));
      this.#compare(key, rows, "is");
    }
    this.#changed.clear();
    requireSame([this.#total.join(" ")], [this.#rows.usageTotal()], "the usage of all time is");
  }

  /** Every attempt, every hour, and the audit of reports. */
  checkAll(): void {
    const attempts = [...this.#attempts].flatMap(([key, pairs]) =>
      [...pairs].map(([pair, sums]) => `${key} ${pair} ${sums.join(" ")}`),
    );
    requireSame(attempts, this.#rows.usageOfAttempts(), "the usage of attempts is");
    const hours = [...this.#hours].map(([hour, sums]) => `${hour} ${sums.join(" ")}`);
    requireSame(hours, this.#rows.usageHours(), "the usage of hours is");
    const audited = this.#rows.number(
      "SELECT count(*) AS n FROM audit_entries WHERE action = 'task.usage_reported' AND subject_kind = 'task'",
    );
    if (audited !== this.#audited) throw new Error(`${this.#audited} reports were new, and the audit has ${audited}`);
  }
}

function lineOf({ provider = "", model = "", ...numbers }: Usage[number]): string {
  return `${provider} ${model} ${USAGE_COUNTS.map((count) => numbers[count] ?? 0).join(" ")}`;
}

function requireSame(counted: readonly string[], kept: readonly string[], what: string): void {
  const [expected, found] = [[...counted].sort(), [...kept].sort()].map((lines) => lines.join("; "));
  if (expected !== found) throw new Error(`${what} ${found}, and reports come to ${expected}`);
}
