import type { Page, Paged } from "./calls.ts";
import { decodeCursor, encodeCursor, type PositionShape } from "./cursor.ts";
import { takePage } from "./reply-bytes.ts";

/** How the rows of a list become its page, and where it goes on. */
export interface List<Row, Item> {
  shape: PositionShape;
  read(row: Row): Item;
  /** Where the list goes on after a row. */
  positionOf(row: Row): readonly (string | number)[];
}

/** One page of a list that an engine is to read. */
export interface ListPage<Row, Item> {
  /** Behind which position; undefined: from the beginning. */
  after: readonly (string | number)[] | undefined;
  /** How many rows: one more than the page may show. */
  rows: number;
  /** @param found how many rows there are, where some are left out */
  take(rows: Iterable<Row>, found?: number): Paged<Item>;
}

/**
 * The page of a list that a query asks for.
 *
 * @param filters name the list and what it is narrowed to: a cursor belongs to them
 * @throws INVALID_REQUEST for a cursor of another list
 */
export function listPage<Row, Item>(
  list: List<Row, Item>,
  filters: object,
  { limit, cursor }: Page,
): ListPage<Row, Item> {
  return {
    after: decodeCursor(filters, cursor, list.shape),
    rows: limit + 1,
    take: (rows, found) =>
      takePage(rows, limit, list.read, (last) => encodeCursor(filters, list.positionOf(last)), found),
  };
}

/** Rows of a list by name: behind `after`, at most `rows`. */
export interface TextRange {
  after: string;
  rows: number;
}
