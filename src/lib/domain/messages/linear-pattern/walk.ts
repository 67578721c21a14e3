import { Allowance } from "./pattern-problem.ts";

/** A program's way over a text. */
export interface Walk {
  symbols: Uint16Array;
  /** The assertions that hold at each place, one more than there are symbols. */
  masks: Uint16Array;
  /** Set in `masks` wherever the program accepts; 0 ends the walk at the first such place. */
  bit: number;
  /** How much may still be spent on making rows. */
  rowSteps: number;
  /** What may be done without rows. */
  allowance: Allowance;
}

/** 50 ns each. */
const ROW_STEPS = 40_000;
/** 10 ns each. */
const STATES_VISITED = 2_000_000;

/** A way over a text with nothing spent yet. */
export function freshWalk(symbols: Uint16Array, masks: Uint16Array): Walk {
  const allowance = new Allowance(STATES_VISITED, "takes too long to match with a regular expression");
  return { symbols, masks, bit: 0, rowSteps: ROW_STEPS, allowance };
}
