import { USAGE_ENTRIES_MAX, USAGE_MAX, USAGE_PAIRS_MAX } from "../lib/model/limits.ts";
import type { ModelUsage } from "../lib/model/usage.ts";
import { USAGE_COUNTS } from "../lib/model/usage-counts.ts";
import type { AgentClient } from "./agent-client.ts";
import { isLost, isRefused } from "./attempt-errors.ts";
import { errorText } from "./handler-errors.ts";
import { countTokens } from "./usage-metrics.ts";

/** What an attempt has used of models: summed here, told to the service while it goes on, and with its end. */

/** A report that comes late is worth little while another follows. */
const BUDGET_MILLISECONDS = 6_000;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:+#/@-]{0,127}$/;

export interface AttemptUsageOptions {
  client: AgentClient;
  taskId: string;
  attempt: { agentId: string; attempt: number };
  /** Ends the reports. */
  signal: AbortSignal;
  traceparent(): string | undefined;
  onLog(line: string): void;
}

/** How two numbers of one model become one. */
type Join = (before: number, given: number) => number;

const sum: Join = (before, given) => Math.min(before + given, USAGE_MAX);
const larger: Join = Math.max;

export class AttemptUsage {
  readonly #options: AttemptUsageOptions;
  readonly #totals = new Map<string, ModelUsage>();
  /** The models whose totals the service has not confirmed. */
  readonly #untold = new Set<string>();
  #telling: Promise<void> | undefined;
  #isRefused = false;

  constructor(options: AttemptUsageOptions) {
    this.#options = options;
  }

  /** Adds what one call of a model has used. Resolves when it was told or given up. Never rejects. */
  add(usage: unknown): Promise<void> {
    return this.#take(usage, sum);
  }

  /** Notes totals of the attempt; a smaller number counts as the one before. Resolves and never rejects as `add`. */
  report(usage: unknown): Promise<void> {
    return this.#take(usage, larger);
  }

  /**
   * What is to be said with the end of the attempt: nothing when everything is told. More than one call takes is told before.
   */
  async rest(): Promise<{ usage?: ModelUsage[] }> {
    if (this.#untold.size > USAGE_ENTRIES_MAX) await this.#tell();
    const usage = this.#next();
    return usage.length === 0 || this.#isRefused ? {} : { usage };
  }

  /** The service has refused a call that had usage in it: none is told any more. */
  drop(error: unknown): void {
    this.#isRefused = true;
    this.#options.onLog(`usage not reported: ${errorText(error)}`);
  }

  /** What the attempt has used so far. */
  get totals(): ModelUsage[] {
    return [...this.#totals.values()];
  }

  /** Tells what is left after the attempt was lost. Never rejects. */
  tellRest(): Promise<void> {
    return this.#untold.size === 0 ? Promise.resolve() : this.#tell();
  }

  #take(usage: unknown, join: Join): Promise<void> {
    const list: unknown[] = Array.isArray(usage) ? usage : [usage];
    for (const one of list) if (one !== undefined && one !== null) this.#join(one, join);
    return this.tellRest();
  }

  /** What a handler gives may be anything: it must not fail its task. */
  #join(given: object, join: Join): void {
    const usage = this.#read(given);
    if (usage === undefined) return;
    let { provider, model } = usage;
    let key = JSON.stringify([provider, model]);
    if (!this.#totals.has(key) && this.#totals.size >= USAGE_PAIRS_MAX - 1) {
      // The last place is for all models that have none of their own.
      [provider, model] = [undefined, undefined];
      key = "[null,null]";
    }
    const before = this.#totals.get(key);
    const total: ModelUsage = { inputTokens: 0, outputTokens: 0, ...before };
    if (provider !== undefined) total.provider = provider;
    if (model !== undefined) total.model = model;
    for (const count of USAGE_COUNTS) {
      const number = usage[count];
      if (number !== undefined) total[count] = join(before?.[count] ?? 0, number);
    }
    const more = (count: "inputTokens" | "outputTokens") => total[count] - (before?.[count] ?? 0);
    countTokens(total, { inputTokens: more("inputTokens"), outputTokens: more("outputTokens") });
    this.#totals.set(key, total);
    this.#untold.add(key);
  }

  #read(given: object): ModelUsage | undefined {
    try {
      const { provider, model } = given as Partial<ModelUsage>;
      const usage: ModelUsage = { inputTokens: 0, outputTokens: 0 };
      if (provider !== undefined) usage.provider = checkedName(provider, "provider");
      if (model !== undefined) usage.model = checkedName(model, "model");
      for (const count of USAGE_COUNTS) {
        const number: unknown = Reflect.get(given, count);
        if (number !== undefined) usage[count] = checkedCount(number, count);
      }
      return usage;
    } catch (error) {
      this.#options.onLog(`usage is left out: ${errorText(error)}`);
      return undefined;
    }
  }

  #next(): ModelUsage[] {
    return [...this.#untold].slice(0, USAGE_ENTRIES_MAX).flatMap((key) => this.#totals.get(key) ?? []);
  }

  #tell(): Promise<void> {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
    return this.#telling;
  }

  async #tellAll(): Promise<void> {
    const { client, taskId, attempt, signal, traceparent, onLog } = this.#options;
    while (this.#untold.size > 0 && !signal.aborted && !this.#isRefused) {
      const keys = [...this.#untold].slice(0, USAGE_ENTRIES_MAX);
      const usage = this.#next();
      try {
        const options = { signal, retryBudgetMilliseconds: BUDGET_MILLISECONDS, traceparent: traceparent() };
        await client.reportUsage(taskId, { ...attempt, usage }, options);
        // What was added meanwhile is told again.
        for (const [place, key] of keys.entries()) {
          if (this.#totals.get(key) === usage[place]) this.#untold.delete(key);
        }
      } catch (error) {
        // An older service, or a task that is archived: it is told once.
        this.#isRefused = isRefused(error) || isLost(error);
        if (!signal.aborted) onLog(`usage not reported: ${errorText(error)}`);
        return;
      }
    }
  }
}

function checkedName(name: unknown, field: string): string {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw new TypeError(`${field} must be 1–128 characters of A-Z a-z 0-9 . _ : - + # / @`);
}

function checkedCount(number: unknown, field: string): number {
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0 && number <= USAGE_MAX) return number;
  throw new TypeError(`${field} must be a whole number from 0 to ${USAGE_MAX}`);
}
