import { z } from "zod";

/**
 * Numbers that come as text: in a query, in a path, in a setting. JavaScript's own conversion reads `0x10`, `1e1`, ` 1`, `+1` and an
 * empty text too, so that a slip becomes another number in silence; here only decimal digits are one.
 */

const WHOLE = /^-?\d{1,16}$/;
const DECIMAL = /^-?\d{1,16}(\.\d{1,16})?$/;

/** The number that a text writes in decimal digits, `.5` and `5.` not among them; undefined when it writes none. */
export function readDecimal(text: string): number | undefined {
  return DECIMAL.test(text) ? Number(text) : undefined;
}

/** A text that is no number stays one, so that the schema behind it says so. */
const read = (form: RegExp) => (value: unknown) =>
  typeof value === "string" && form.test(value) ? Number(value) : value;

const whole = (min: number, max: number) => z.int("must be a whole number in decimal digits").min(min).max(max);

/** A whole number, as a text or as a number. */
export function writtenWhole(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z.preprocess(read(WHOLE), whole(min, max));
}

/**
 * As `writtenWhole`, and `otherwise` where it is absent.
 *
 * @example
 * z.strictObject({ limit: writtenWholeOr(50, 1, 200) }).parse({ limit: "20" }); // { limit: 20 }
 */
export function writtenWholeOr(otherwise: number, min: number, max?: number) {
  // Once more inside: OpenAPI shows what is behind the reading.
  return z.preprocess(read(WHOLE), whole(min, max ?? Number.MAX_SAFE_INTEGER).default(otherwise)).default(otherwise);
}

/**
 * A number with or without a fraction, as a text or as a number.
 *
 * @param inRange what else must hold
 * @example
 * writtenDecimal((number) => number.positive().max(3_600))
 */
export function writtenDecimal(inRange: (number: z.ZodNumber) => z.ZodNumber) {
  return z.preprocess(read(DECIMAL), inRange(z.number("must be a number in decimal digits")));
}
