import { UNNAMED_ACTOR } from "../trace/call-context.ts";
import type { Gate } from "./gate.ts";
import type { RefusalCounter } from "./refusal-counter.ts";

/** The gate with everybody counted whom it does not let in: nobody knows who they are, so they are counted together. */
export function countingGate(gate: Gate, refusals: RefusalCounter): Gate {
  return {
    async admit(approach, needed) {
      try {
        return await gate.admit(approach, needed);
      } catch (error) {
        refusals.countError(UNNAMED_ACTOR, error);
        throw error;
      }
    },
  };
}
