import type { Operator, StatementPlan } from "./plan.ts";

/** What is wrong with the plans of a verb: it must cost the same in a large database as in a small one. */

/**
 * Rows that one statement may read of a table that grows, or sort: a call works off at most 500 ended leases, merges at most
 * four streams of 100 heads, weighs at most 64 workers of each of a few sets. Each further call of a batch has as much again.
 */
const ROWS_PER_CALL = 1_000;

/** Pages that one operator may read of such a table: 100 rows of it, each by its key, take four each. */
const PAGES_PER_CALL = 400;

/** A scan that a TOP ends this soon reads the head of an index, not a table: "is there any task that waits?" */
const HEAD_ROWS = 100;

export interface Judge {
  /** Tables with so many rows that reading them from one end would show. */
  growing: ReadonlySet<string>;
  /** Calls in the batch. */
  calls: number;
}

/** What an operator does that it must not do; undefined when all is well. */
export function faultOf({ kind, table, rows, reads, ran }: Operator, { growing, calls }: Judge): string | undefined {
  const grows = table !== undefined && growing.has(table);
  if (!ran) return undefined;
  if (kind === "scan" && grows && rows > HEAD_ROWS * calls) return `scans ${rows} rows of ${table}`;
  if (kind === "sort" && rows > ROWS_PER_CALL * calls) return `sorts ${rows} rows`;
  if (grows && rows > ROWS_PER_CALL * calls) return `reads ${rows} rows of ${table}`;
  // Entries of an index that are passed over are no rows, but they are pages.
  if (grows && kind !== "other" && reads > PAGES_PER_CALL * calls) return `reads ${reads} pages of ${table}`;
  return undefined;
}

/** The faults of a verb, each with its statement. */
export function faultsOf(plans: readonly StatementPlan[], judge: Judge): string[] {
  return plans.flatMap(({ text, operators }) =>
    operators.flatMap((operator) => {
      const fault = faultOf(operator, judge);
      return fault === undefined ? [] : [`${fault}: ${shorten(text)}`];
    }),
  );
}

/** A statement on one line of a report. */
export function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 157)}…` : line;
}
