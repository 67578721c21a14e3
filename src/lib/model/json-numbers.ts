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
const NOT_JSON = "is a bigint, which JSON cannot carry: send it as a string";

/** From here on not every integer is a double. */
const SAFE = 2 ** 53;
/** A double has at most 309 digits before its point; a longer text is refused without a look at its digits, which would take long. */
const KEPT_MAX_CHARACTERS = 400;
/** As many places as one refusal names. */
const REPORTED_MAX = 20;
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

const NUMBER = /-?\d[\d.eE+-]*/y;

/** A walk over valid JSON text that looks at numbers and knows where it is. Linear; strings are skipped, digits in them are no numbers. */
class NumberScan {
  readonly #text: string;
  /** An index for each array that is open, for each object the key that is being read. */
  readonly #path: (number | string)[] = [];
  readonly #found: FieldError[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  run(): FieldError[] {
    const text = this.#text;
    for (let at = 0; at < text.length && this.#found.length < REPORTED_MAX; ) at = this.#step(text.charAt(at), at);
    return this.#found;
  }

  /** Takes what begins at `at`. @returns where the next begins */
  #step(character: string, at: number): number {
    if (character === '"') return this.#string(at);
    if (character === "[") this.#path.push(0);
    else if (character === "{") this.#path.push("");
    else if (character === "]" || character === "}") this.#path.pop();
    else if (character === ",") this.#next();
    else if (character === "-" || (character >= "0" && character <= "9")) return this.#number(at);
    return at + 1;
  }

  #next(): void {
    const last = this.#path.pop();
    this.#path.push(typeof last === "number" ? last + 1 : "");
  }

  #string(at: number): number {
    let end = at + 1;
    for (let code = this.#text.charCodeAt(end); code !== 0x22; code = this.#text.charCodeAt(end)) {
      end += code === 0x5c ? 2 : 1;
    }
    // A key is the string before a colon; what else is a string overwrites nothing, since it follows its key.
    if (typeof this.#path.at(-1) === "string" && this.#colonFollows(end + 1)) {
      this.#path[this.#path.length - 1] = this.#text.slice(at, end + 1);
    }
    return end + 1;
  }

  #colonFollows(at: number): boolean {
    let next = at;
    while (" \t\r\n".includes(this.#text.charAt(next)) && next < this.#text.length) next += 1;
    return this.#text.charAt(next) === ":";
  }

  #number(at: number): number {
    NUMBER.lastIndex = at;
    const text = NUMBER.exec(this.#text)?.[0] ?? "";
    const message = writtenProblem(text);
    if (message !== undefined) this.#found.push({ path: this.#place(), message });
    return at + Math.max(1, text.length);
  }

  #place(): string {
    const names = this.#path.map((part) => (typeof part === "number" ? part : JSON.parse(part)));
    return names.join(".").slice(0, 256);
  }
}

/**
 * The numbers in a value that its JSON text would not carry: NaN and infinities (they would become null), bigints, integers beyond 2^53
 * that are not exact. Objects that say themselves how they are written (toJSON) are left to their text.
 */
export function lossyNumbers(value: unknown): FieldError[] {
  const found: FieldError[] = [];
  // What is in several places, or in itself, is looked at once.
  const seen = new Set<object>();
  const waiting: { path: string; value: unknown }[] = [{ path: "", value }];
  for (let next = waiting.pop(); next !== undefined && found.length < REPORTED_MAX; next = waiting.pop()) {
    const { path, value: part } = next;
    const message = typeof part === "bigint" ? NOT_JSON : typeof part === "number" ? numberProblem(part) : undefined;
    if (message !== undefined) found.push({ path: path.slice(0, 256), message });
    if (typeof part !== "object" || part === null || seen.has(part)) continue;
    seen.add(part);
    if ("toJSON" in part && typeof part.toJSON === "function") continue;
    for (const [name, child] of Object.entries(part)) {
      if (typeof child === "string" || typeof child === "boolean") continue;
      waiting.push({ path: path === "" ? name : `${path}.${name}`, value: child });
    }
  }
  return found;
}
