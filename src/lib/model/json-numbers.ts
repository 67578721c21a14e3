import type { FieldError } from "./errors.ts";

/**
 * Numbers that reading and writing would change. JSON has no limit on digits, its readers have: I-JSON (RFC 7493, section 2.2,
 * https://www.rfc-editor.org/rfc/rfc7493#section-2.2) trusts integers up to 2^53 only. An id of 64 bits sent as a number would arrive as
 * another one, and two sends that differ only there would count as a repeat. So from 2^53 on a number that is written out must be
 * exactly what a double holds (9007199254740992 and 1700000000000000000 pass, 9007199254740993 does not), and one with an exponent must
 * have the same text when it is written again (1.7e18 and 6.02214076e23 pass, 1.2345678901234567890e30 does not). Below 2^53 fractions are rounded to
 * the nearest double, as every reader does it: 0.1 and 3.14159265358979323846 pass.
 */

const NOT_EXACT = "is a number beyond 2^53 that JSON readers would change (RFC 7493): send it as a string";
const NOT_FINITE = "has a number outside the range of JSON readers";

/** From here on not every integer is a double. */
const SAFE = 2 ** 53;
/** A double has at most 309 digits before its point; a longer text is refused without a look at its digits, which would take long. */
const KEPT_MAX_CHARACTERS = 400;
/** As many places as one refusal names. */
export const REPORTED_MAX = 20;
/**
 * Fifteen digits survive a double. Only where sixteen stand in a row, or an exponent moves the point of a fraction, can anything be
 * lost, and most bodies have neither. Two looks and digits written out one by one: 0.4 µs per KiB, where `\d{16}|…` takes 2.
 */
const SIXTEEN_DIGITS = new RegExp("\\d".repeat(16));
const MOVED_POINT = /\.\d+[eE]/;

/** What is wrong with a number of JSON text as it is written; undefined when it keeps its value. */
function writtenProblem(text: string): string | undefined {
  const number = Number(text);
  if (!Number.isFinite(number)) return NOT_FINITE;
  if (Math.abs(number) < SAFE) return undefined;
  if (text.length > KEPT_MAX_CHARACTERS) return NOT_EXACT;
  const kept = /[eE]/.test(text) ? decimalOf(text) === decimalOf(String(number)) : isExactly(text, number);
  return kept ? undefined : NOT_EXACT;
}

/** True when a text without an exponent is the value of the double, digit by digit. The double is at least 2^53: an integer. */
function isExactly(text: string, number: number): boolean {
  const whole = text.replace(/\.0*$/, "");
  return !whole.includes(".") && BigInt(whole) === BigInt(number);
}

/** A decimal in one form, so that equal values are equal texts: `12.50e3` and `1.25E+4` are both `125e2`. */
function decimalOf(text: string): string {
  const [mantissa = "0", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  const digits = (whole + fraction).replace(/^(-?)0+/, "$1");
  const kept = digits.replace(/0+$/, "");
  return `${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`;
}

/**
 * What is wrong with a number of a program: it is not finite, or an integer beyond 2^53 whose digits in JSON are not its value
 * (2^63 is written 9223372036854776000). From 1e21 on JSON is written with an exponent, and passes.
 */
export function numberProblem(number: number): string | undefined {
  if (!Number.isFinite(number)) return NOT_FINITE;
  return Math.abs(number) < SAFE ? undefined : writtenProblem(String(number));
}

/**
 * The numbers in a JSON text that would not keep their value, by their place: `payload.order.id`. Empty for most.
 *
 * @param text JSON that a parser has read without complaint
 * @example
 * changedNumbers('{"payload":{"id":9007199254740993}}'); // [{ path: "payload.id", message: "is a number beyond 2^53 …" }]
 */
export function changedNumbers(text: string): FieldError[] {
  return SIXTEEN_DIGITS.test(text) || MOVED_POINT.test(text) ? new NumberScan(text).run() : [];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
/** An object whose first key is still to come, among the places of `NumberScan`. */
const NO_KEY = Number.NEGATIVE_INFINITY;
/** Numbers of one text that take more than a glance, up to 2 µs each. */
const DEAR_MAX = 5_000;
const TOO_MANY = `comes after ${DEAR_MAX} others beyond 2^53 with more digits than are checked: send them as strings`;

/**
 * A walk over valid JSON text that looks at numbers and knows where it is. Linear, and it makes nothing but what it reports: 4 MB of
 * numbers would hold up everybody else. Strings are skipped, digits in them are no numbers.
 */
class NumberScan {
  readonly #text: string;
  /** For each array that is open its index, for each object the place of the key that is being read, below zero. */
  readonly #path: number[] = [];
  readonly #found: FieldError[] = [];
  #dear = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): FieldError[] {
    const text = this.#text;
    const path = this.#path;
    for (let at = 0; at < text.length && this.#found.length < REPORTED_MAX && this.#dear <= DEAR_MAX; ) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = this.#string(at);
      else if (code === MINUS || (code >= ZERO && code <= NINE)) at = this.#number(at);
      else {
        if (code === COMMA) {
          const last = path.length - 1;
          path[last] = (path[last] ?? 0) >= 0 ? (path[last] ?? 0) + 1 : NO_KEY;
        } else if (code === 0x5b) path.push(0);
        else if (code === 0x7b) path.push(NO_KEY);
        else if (code === 0x5d || code === 0x7d) path.pop();
        at += 1;
      }
    }
    return this.#found;
  }

  #string(at: number): number {
    const end = endOfString(this.#text, at);
    // A key is the string before a colon; what else is a string overwrites nothing, since it follows its key.
    const last = this.#path.length - 1;
    if ((this.#path[last] ?? 0) < 0 && this.#colonFollows(end)) this.#path[last] = -at;
    return end;
  }

  #colonFollows(at: number): boolean {
    let next = at;
    while (this.#text.charCodeAt(next) <= 0x20) next += 1;
    return this.#text.charCodeAt(next) === COLON;
  }

  #number(at: number): number {
    const text = this.#text;
    const first = text.charCodeAt(at) === MINUS ? at + 1 : at;
    const point = endOfDigits(text, first);
    const whole = point - first;
    let end = point;
    if (text.charCodeAt(point) === POINT) end = endOfDigits(text, point + 1);
    // An exponent, of either case.
    if ((text.charCodeAt(end) | 0x20) === 0x65) {
      const signed = end + 1;
      const negative = text.charCodeAt(signed) === MINUS;
      const digits = end - first - (end > point ? 1 : 0);
      const exponent = negative || text.charCodeAt(signed) === PLUS ? signed + 1 : signed;
      end = endOfDigits(text, exponent);
      // Fifteen digits survive a double, whose range is not left by an exponent of two digits; and what is small is below 2^53.
      const short = digits <= 15 && end - exponent <= 2;
      if (!short && !(negative && whole <= 15)) this.#judge(at, end);
    } else if (whole > 15 && !isKeptInteger(text, first, point, end)) this.#judge(at, end);
    return end;
  }

  /** Looks closely at a number that may be beyond 2^53. */
  #judge(at: number, end: number): void {
    this.#dear += 1;
    const message = writtenProblem(this.#text.slice(at, end)) ?? (this.#dear > DEAR_MAX ? TOO_MANY : undefined);
    if (message !== undefined) this.#found.push({ path: this.#place(), message });
  }

  #place(): string {
    const names = this.#path.map((place) =>
      place >= 0 ? String(place) : JSON.parse(this.#text.slice(-place, endOfString(this.#text, -place))),
    );
    return names.join(".").slice(0, 256);
  }
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  for (let code = text.charCodeAt(end); code >= ZERO && code <= NINE; code = text.charCodeAt(end)) end += 1;
  return end;
}

const BILLION = 1_000_000_000;
/** So many digits in two parts, the second of nine, stay exact in the arithmetic below. */
const GLANCE_MAX_DIGITS = 23;
const REMAINDERS = 2 ** 26;

/**
 * True when a glance shows that a number of `first` to `point` whole digits keeps its value; without an exponent, with or without a
 * fraction up to `end`. A double has 53 bits: from 2^53 on it is an integer with as many zeros behind them as its size asks for.
 */
function isKeptInteger(text: string, first: number, point: number, end: number): boolean {
  if (point - first > GLANCE_MAX_DIGITS) return false;
  const high = valueOfDigits(text, first, point - 9);
  const low = valueOfDigits(text, point - 9, point);
  const about = high * BILLION + low;
  // A fraction behind 2^53 - 1 may be rounded up to 2^53.
  if (about < (end === point ? SAFE : SAFE - 1)) return true;
  // Of one just below a power of two `about` can be that power, which asks for one zero more; then it is looked at closely.
  const zeros = 32 - Math.clz32(about / SAFE);
  const remainder = (high % REMAINDERS) * (BILLION % REMAINDERS) + low;
  return end === point && remainder % 2 ** zeros === 0;
}

function valueOfDigits(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) value = value * 10 + text.charCodeAt(at) - ZERO;
  return value;
}

/** The place behind the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  for (let code = text.charCodeAt(end); code !== QUOTE; code = text.charCodeAt(end)) end += code === BACKSLASH ? 2 : 1;
  return end + 1;
}
