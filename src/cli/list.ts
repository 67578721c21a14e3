import type { Command } from "commander";
import { PAGE_MAX } from "../lib/model/limits.ts";
import { toCount } from "./options.ts";
import { type Column, table } from "./table.ts";
import type { View } from "./view.ts";

/** What every list has in common. */

export interface PageOptions {
  limit?: number;
  cursor?: string;
}

/** Adds --limit and --cursor. */
export function withPage(command: Command): Command {
  return command
    .option("--limit <n>", `rows, 1 to ${PAGE_MAX}`, toCount(PAGE_MAX))
    .option("--cursor <cursor>", "continue after the previous page");
}

/** The rows, and how to get the next page when there is one. */
export function page<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  nextCursor: string | null,
  view: View,
): string {
  return withNext(table(columns, rows, view), nextCursor);
}

/** A page, and how to get the next one when there is one. */
export function withNext(shown: string, nextCursor: string | null): string {
  return nextCursor === null ? shown : `${shown}\n\nmore: --cursor ${nextCursor}`;
}
