import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";

/** Characters of JSON in one transaction, about; a larger row goes alone. */
const PAGE_CHARACTERS = 2 * 1_024 * 1_024;

/** Rows together, up to the bounds of a transaction; rows inside a row (the attempts of a task) count as well. */
export function* pagesOf<Row extends object>(rows: Iterable<Row>): Iterable<Row[]> {
  let page: Row[] = [];
  let taken = 0;
  let characters = 0;
  for (const row of rows) {
    const parts = Object.values(row).reduce((sum, value) => sum + (Array.isArray(value) ? value.length : 0), 1);
    const length = JSON.stringify(row).length;
    if (page.length > 0 && (taken + parts > MAINTENANCE_BATCH_ROWS || characters + length > PAGE_CHARACTERS)) {
      yield page;
      page = [];
      taken = 0;
      characters = 0;
    }
    page.push(row);
    taken += parts;
    characters += length;
  }
  if (page.length > 0) yield page;
}
