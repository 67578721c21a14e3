/**
 * Integers of the audit as node can read them. Who writes the file can write larger ones, up to 2^63, at which node:sqlite throws: one such
 * row would keep all others from being read and sealed.
 */

/** Columns of entries (e), blocks (b) and drops (d) that are integers. */
const INTEGER_COLUMN = /\b[ebd]\.(at|entry_no|entry_count|\w+_at|\w+_no)\b/g;

/** No entry beyond this number is read: there is no number to call it by. It counts among those that are not sealed. */
export const LAST_ENTRY_NO = Number.MAX_SAFE_INTEGER;

/**
 * Columns, for SELECT, in which the nearest integer that can be read stands for one that cannot. No entry and no block of ours has it, so
 * that verifying finds the row changed.
 *
 * @example
 * readable("e.at, e.actor"); // "max(min(e.at, 9007199254740991), -9007199254740991) AS at, e.actor"
 */
export function readable(columns: string): string {
  const [high, low] = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  return columns.replace(INTEGER_COLUMN, (column, name) => `max(min(${column}, ${high}), ${low}) AS ${name}`);
}
