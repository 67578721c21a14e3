import { REPLY_MAX_BYTES } from "../model/limits.ts";
import type { Paged } from "./calls.ts";

/** Lists are bounded in bytes as well as in rows: 200 messages of 256 KiB would be one reply of 50 MiB. */

/** Bytes of the item in a reply, as JSON in UTF-8. What is encrypted counts as its envelope, which is a third larger. */
export function replyBytes(item: unknown): number {
  return Buffer.byteLength(JSON.stringify(item));
}

/**
 * A page: the rows in their order, until there are `limit` of them or the next would make the reply larger than REPLY_MAX_BYTES.
 * One row always comes. Rows behind the page are not read, so an engine may give rows that fetch their texts when they are read.
 *
 * @param rows from the cursor on; one more than the limit where there are more
 * @param read the item of a row
 * @param cursorAt the cursor that goes on after a row
 * @param found how many rows there are from the cursor on, where `rows` leaves some of them out
 */
export function takePage<Row, Item>(
  rows: Iterable<Row>,
  limit: number,
  read: (row: Row) => Item,
  cursorAt: (last: Row) => string,
  found = 0,
): Paged<Item> {
  const items: Item[] = [];
  let bytes = 0;
  let last: Row | undefined;
  let more = false;
  for (const row of rows) {
    more = items.length === limit;
    if (more) break;
    const item = read(row);
    bytes += replyBytes(item);
    more = items.length > 0 && bytes > REPLY_MAX_BYTES;
    if (more) break;
    items.push(item);
    last = row;
  }
  if (last === undefined) return { items, nextCursor: null };
  return { items, nextCursor: more || found > items.length ? cursorAt(last) : null };
}
