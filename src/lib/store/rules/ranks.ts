import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../model/values.ts";

/**
 * Priorities with their head starts, as rows of T-SQL: rank = due time - head start, and the smallest goes first. A test finds them
 * word for word in the procedures that merge streams by rank.
 */
export const HEAD_STARTS_SQL = `(VALUES ${PRIORITIES.map((name, priority) => `(${priority}, ${HEAD_START_MILLISECONDS[name]})`).join(", ")})`;
