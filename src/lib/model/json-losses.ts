import type { FieldError } from "./errors.ts";
import { numberProblem, REPORTED_MAX } from "./json-numbers.ts";

/** What a program's value would lose in its JSON text, without a word: a result that arrives as `{}` looks like one. */

const NOT_JSON = "is a bigint, which JSON cannot carry: send it as a string";

/** What JSON writes as `{}`, by the name that it has in every realm, and what to send instead. */
const WRITTEN_EMPTY: ReadonlyMap<string, string> = new Map([
  ["Map", "send Object.fromEntries of it, or an array"],
  ["Set", "send an array of it"],
  ["WeakMap", "send what it is for"],
  ["WeakSet", "send what it is for"],
  ["Promise", "await it"],
  ["Error", "send its message"],
  ["RegExp", "send its source"],
  ["ArrayBuffer", "send base64 of it"],
]);

/** What is wrong with an object that does not say itself how it is written; undefined for arrays, plain objects and classes. */
function objectProblem(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype || prototype === null) return undefined;
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  const advice = WRITTEN_EMPTY.get(kind);
  return advice === undefined ? undefined : `is a ${kind}, which JSON writes as {}: ${advice}`;
}

function problemOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return NOT_JSON;
    case "number":
      return numberProblem(value);
    case "object":
      return value === null || speaksForItself(value) ? undefined : objectProblem(value);
    default:
      return undefined;
  }
}

function speaksForItself(value: object): boolean {
  return "toJSON" in value && typeof value.toJSON === "function";
}

/**
 * The places in a value that its JSON text would not carry: NaN and infinities (they would become null), bigints, integers beyond 2^53
 * that are not exact, and a Map, a Set, a Promise, an Error and their like (they would become `{}`). Objects that say themselves how they
 * are written (toJSON) are left to their text.
 *
 * @returns at most 20, in no order
 * @throws what a getter or a proxy throws that is looked at
 * @example
 * lossesOf({ seen: new Set(["a"]) }); // [{ path: "seen", message: "is a Set, which JSON writes as {}: send an array of it" }]
 */
export function lossesOf(value: unknown): FieldError[] {
  const found: FieldError[] = [];
  // What is in several places, or in itself, is looked at once.
  const seen = new Set<object>();
  const waiting: { path: string; value: unknown }[] = [{ path: "", value }];
  for (let next = waiting.pop(); next !== undefined && found.length < REPORTED_MAX; next = waiting.pop()) {
    const { path, value: part } = next;
    if (typeof part === "object" && part !== null) {
      if (seen.has(part)) continue;
      seen.add(part);
    }
    const message = problemOf(part);
    if (message !== undefined) found.push({ path: path.slice(0, 256), message });
    if (typeof part !== "object" || part === null || message !== undefined || speaksForItself(part)) continue;
    for (const [name, child] of Object.entries(part)) {
      if (typeof child === "string" || typeof child === "boolean") continue;
      waiting.push({ path: path === "" ? name : `${path}.${name}`, value: child });
    }
  }
  return found;
}
