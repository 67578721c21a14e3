import type { CompiledSchema, EvaluationPlugin } from "@hyperjump/json-schema/experimental";
import { interpret } from "@hyperjump/json-schema/experimental";
import { fromJs } from "@hyperjump/json-schema/instance/experimental";
import { withinTime } from "../../../base/within-time.ts";
import type { JsonValue } from "../../../model/json.ts";
import { BadSchema } from "./bad-schema.ts";

/**
 * Schemas that are dear whatever they check: references that multiply (each of 30 definitions refers twice to the next) or that
 * have no end. They show at the smallest values of every kind, since what multiplies does so at one place of the payload.
 */

const PROBES: readonly JsonValue[] = [null, {}, [], "", 0];

/**
 * Schemas that the check of one small value may go through: each part of the schema twice, and a thousand. Without references none
 * is met more than once; alternatives that share a base meet the base again. Counted, so that the same schema is refused on a busy
 * machine and an idle one, and within 10 ms: 2^30 are as soon counted as 2^12.
 */
const STEPS_PER_PART = 2;
const STEPS_ALLOWED = 1_000;
/** For keywords that are dear themselves, such as long lists of names in each of many steps. */
const PROBE_MILLISECONDS = 250;
const TOO_DEAR = "takes too long to check the smallest values";

/** Ends a check that goes through more schemas than it may, or comes back to one that it has not left. */
class StepCounter implements EvaluationPlugin {
  #left: number;
  readonly #within = new Set<string>();

  constructor(steps: number) {
    this.#left = steps;
  }

  /** The smallest values have no places but one, so who comes back to a schema comes back to it for ever. */
  readonly beforeSchema = (url: string): void => {
    if (this.#within.has(url)) throw new BadSchema("refers to itself endlessly", "");
    this.#within.add(url);
    this.#left -= 1;
    if (this.#left < 0) throw new BadSchema(TOO_DEAR, "");
  };

  readonly afterSchema = (url: string): void => {
    this.#within.delete(url);
  };
}

/** @throws BadSchema for a schema that takes too long, or for ever, to check the smallest values */
export function refuseDear(schema: CompiledSchema): void {
  try {
    withinTime(() => {
      for (const value of PROBES) countSteps(schema, value);
    }, PROBE_MILLISECONDS);
  } catch (error) {
    // A bound of time, or of the stack.
    throw error instanceof BadSchema ? error : new BadSchema(TOO_DEAR, "");
  }
}

function countSteps(schema: CompiledSchema, value: JsonValue): void {
  const { ast } = schema;
  // Beside the parts of the schema it has two members of its own.
  const counter = new StepCounter(STEPS_ALLOWED + STEPS_PER_PART * (Object.keys(ast).length - 2));
  // Of the schema itself: `then` and `else` look at their `if` without what is given with a call.
  ast.plugins.add(counter);
  try {
    interpret(schema, fromJs(value));
  } finally {
    ast.plugins.delete(counter);
  }
}
