import type { Batch } from "./batch.ts";
import type { SqlText } from "./texts.ts";

/** What the steps of the sweep and the maintenance have in common. */

/** One step of the upkeep: a batch of one call, whose first recordset is one row of figures. */
export function upkeepStep<Item extends object, Figures extends object>(
  step: Pick<Batch<Item, Figures>, "name" | "inputs" | "wakes"> & {
    sql: SqlText;
    encode?: Batch<Item, Figures>["encode"];
  },
): Batch<Item, Figures> {
  return {
    encode: () => ({}),
    ...step,
    maxItems: 1,
    decode: (result) => result.rows<Figures>(0).map((value) => ({ value })),
  };
}

/**
 * Ends the batch when there is nothing to do, as there mostly is not: what follows is not even declared.
 *
 * @param figures of a step that did nothing
 */
export function endIf(condition: string, figures: string): string {
  return `IF ${condition}
BEGIN
  SELECT ${figures};
  RETURN;
END;
`;
}
