/** `multipleOf` for decimal numbers as they are written: 0.07 is a multiple of 0.01, although its binary form is not. */

/** A number as digits × 10^exponent, exactly as JSON would write it. */
interface Decimal {
  digits: bigint;
  exponent: number;
}

/** The shortest decimal that reads as this number: what JSON.stringify would write, in one form. */
function decimalOf(number: number): Decimal {
  const [mantissa = "0", exponent = "0"] = number.toExponential().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/**
 * True when `number` is `divisor` times an integer, in exact decimal arithmetic: https://json-schema.org/draft/2020-12/json-schema-validation#section-6.2.1
 * Both are finite, `divisor` is above 0. The largest intermediate has some 650 digits (1e308 and 5e-324), which takes microseconds.
 *
 * @example
 * isMultipleOf(19.99, 0.01); // true, although 19.99 % 0.01 is 0.00999…
 */
export function isMultipleOf(number: number, divisor: number): boolean {
  if (Number.isSafeInteger(number) && Number.isSafeInteger(divisor)) return number % divisor === 0;
  const left = decimalOf(number);
  const right = decimalOf(divisor);
  const exponent = Math.min(left.exponent, right.exponent);
  const scaled = ({ digits, exponent: own }: Decimal) => digits * 10n ** BigInt(own - exponent);
  return scaled(left) % scaled(right) === 0n;
}
