import type { Batch } from "./batch.ts";
import type { Procedure } from "./procedures.ts";

/** What the steps of the sweep and the maintenance have in common. */

/** One step of the upkeep: a batch of one call, whose first recordset is one row of figures. */
export function upkeepStep<Item extends object, Figures extends object>(
  step: Pick<Batch<Item, Figures>, "name"> & {
    sql: Procedure;
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
