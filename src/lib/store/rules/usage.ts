import { AgentCommunicationError } from "../../model/errors.ts";
import { USAGE_PAIRS_MAX } from "../../model/limits.ts";
import type { ModelUsage, PairUsage, UsageSums } from "../../model/usage.ts";
import { USAGE_COUNTS, type UsageCount } from "../../model/usage-counts.ts";

/**
 * What a report of usage adds. Reports are totals of an attempt, so each books the difference to the ones before: a repeat adds nothing,
 * and neither does a report that comes late and is smaller. The rule of both engines; a test finds it in book-usage.sql.
 */

/** The column of each sum, in both engines. */
export const USAGE_COLUMNS = {
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
  cacheReadInputTokens: "cache_read_tokens",
  cacheWriteInputTokens: "cache_write_tokens",
  reasoningOutputTokens: "reasoning_tokens",
  costMicros: "cost_micros",
} as const satisfies Readonly<Record<UsageCount, string>>;
/** The sums of a row of either engine. */
export type UsageColumns = Record<(typeof USAGE_COLUMNS)[UsageCount], number>;

/** Sums of a provider and model; an empty name where the report did not name it. */
export interface UsageRow extends UsageSums {
  provider: string;
  model: string;
}

/** What one provider and model has after a report, and what of it is new. */
export interface Booked {
  total: UsageRow;
  added: UsageRow;
}

const isSame = (a: Pick<UsageRow, "provider" | "model">, b: Pick<UsageRow, "provider" | "model">): boolean =>
  a.provider === b.provider && a.model === b.model;

/** A row of numbers, by the name of each. */
export function sumsOf(numberOf: (count: UsageCount) => number): UsageSums {
  return {
    inputTokens: numberOf("inputTokens"),
    outputTokens: numberOf("outputTokens"),
    cacheReadInputTokens: numberOf("cacheReadInputTokens"),
    cacheWriteInputTokens: numberOf("cacheWriteInputTokens"),
    reasoningOutputTokens: numberOf("reasoningOutputTokens"),
    costMicros: numberOf("costMicros"),
  };
}

/** The sums of a row of either engine. */
export function sumsOfColumns(row: UsageColumns): UsageSums {
  return sumsOf((count) => row[USAGE_COLUMNS[count]]);
}

/** Sums as the columns of either engine, in their order. */
export function columnsOf(sums: UsageSums): UsageColumns {
  return {
    input_tokens: sums.inputTokens,
    output_tokens: sums.outputTokens,
    cache_read_tokens: sums.cacheReadInputTokens,
    cache_write_tokens: sums.cacheWriteInputTokens,
    reasoning_tokens: sums.reasoningOutputTokens,
    cost_micros: sums.costMicros,
  };
}

/** What is reported of a model as a row; what the report leaves out is 0. */
export function usageRow(usage: ModelUsage): UsageRow {
  const { provider = "", model = "" } = usage;
  return { provider, model, ...sumsOf((count) => usage[count] ?? 0) };
}

/**
 * Books a report of an attempt.
 *
 * @param stored what the attempt has so far
 * @returns the rows that the report changes or makes; undefined when the attempt would name more than USAGE_PAIRS_MAX pairs
 * @example
 * bookUsage([{ ...A, inputTokens: 10 }], [{ ...A, inputTokens: 15 }]) // [{ total: { … inputTokens: 15 }, added: { … inputTokens: 5 } }]
 */
export function bookUsage(stored: readonly UsageRow[], report: readonly ModelUsage[]): Booked[] | undefined {
  const booked: Booked[] = [];
  let pairs = stored.length;
  for (const row of report.map(usageRow)) {
    const before = stored.find((one) => isSame(one, row));
    if (before === undefined) pairs += 1;
    const { provider, model } = row;
    const total = sumsOf((count) => Math.max(before?.[count] ?? 0, row[count]));
    const added = sumsOf((count) => total[count] - (before?.[count] ?? 0));
    if (before !== undefined && !hasUsage(added)) continue;
    booked.push({ total: { provider, model, ...total }, added: { provider, model, ...added } });
  }
  return pairs > USAGE_PAIRS_MAX ? undefined : booked;
}

/** Whether any of the sums is more than 0. */
export function hasUsage(sums: UsageSums): boolean {
  return USAGE_COUNTS.some((count) => sums[count] > 0);
}

export function usageLimit(taskId: string, attempt: number): AgentCommunicationError {
  const detail = `Attempt ${attempt} of task ${taskId} would have the usage of more than ${USAGE_PAIRS_MAX} pairs of provider and model.`;
  return new AgentCommunicationError("USAGE_LIMIT", detail);
}

/** A row as callers see it. */
export function pairUsage({ provider, model, ...sums }: UsageRow): PairUsage {
  const pair: PairUsage = sums;
  if (provider !== "") pair.provider = provider;
  if (model !== "") pair.model = model;
  return pair;
}

const size = ({ inputTokens, outputTokens }: UsageSums): number => inputTokens + outputTokens;

/**
 * The usage of a task as callers see it, by provider and model: the largest USAGE_PAIRS_MAX, in the order of their names; its attempts
 * may have named more, and what is left is one sum without names.
 *
 * @param rows each pair once
 * @returns undefined when nothing was reported
 */
export function taskUsage(rows: readonly UsageRow[]): PairUsage[] | undefined {
  if (rows.length === 0) return undefined;
  const named = (row: UsageRow) => row.provider !== "" || row.model !== "";
  const bySize = [...rows].sort((a, b) => Number(named(b)) - Number(named(a)) || size(b) - size(a));
  const shown = rows.length > USAGE_PAIRS_MAX ? bySize.slice(0, USAGE_PAIRS_MAX - 1) : bySize;
  const rest = bySize.slice(shown.length);
  const order = (a: UsageRow, b: UsageRow) => compare(a.provider, b.provider) || compare(a.model, b.model);
  const ordered = [...shown].sort(order);
  if (rest.length > 0) ordered.unshift(sumOfRows(rest));
  return ordered.map(pairUsage);
}

function sumOfRows(rows: readonly UsageRow[]): UsageRow {
  return {
    provider: "",
    model: "",
    ...sumsOf((count) => rows.reduce((sum, row) => sum + row[count], 0)),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
