import { numberProblem } from "./json-numbers.ts";
import { JSON_MAX_DEPTH } from "./limits.ts";

/** Any value that JSON can carry. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

const encoder = new TextEncoder();

/** Bytes of `text` in UTF-8. Lone surrogates count as the three bytes of U+FFFD. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}

/** True when `text` is longer than `limit` bytes of UTF-8, without encoding it when its length already decides. */
export function exceedsBytes(text: string, limit: number): boolean {
  // Cheap bounds first: every UTF-16 unit is 1 to 3 bytes, and most texts are far below any limit.
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  return utf8Bytes(text) > limit;
}

/** Why a value cannot be kept as JSON, and where in it. */
export interface JsonProblem {
  path: (string | number)[];
  message: string;
}

/**
 * Says why `value` cannot be kept as JSON, or undefined when it can: a number that its text would not carry (not finite, or beyond
 * 2^53 and not exact: see json-numbers.ts), not JSON at all (undefined, a function, a bigint, a Date), or nested deeper than
 * JSON_MAX_DEPTH. Walks with a depth bound, so a hostile depth cannot overflow the stack.
 */
export function jsonProblem(value: unknown, depth = 0): JsonProblem | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number": {
      const message = numberProblem(value);
      return message === undefined ? undefined : { path: [], message };
    }
    case "object":
      return value === null ? undefined : containerProblem(value, depth);
    default:
      return { path: [], message: `has a ${typeof value}, which JSON cannot carry` };
  }
}

function containerProblem(value: object, depth: number): JsonProblem | undefined {
  if (depth >= JSON_MAX_DEPTH) return { path: [], message: `is nested deeper than ${JSON_MAX_DEPTH} levels` };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const problem = jsonProblem(value[index], depth + 1);
      if (problem !== undefined) return { ...problem, path: [index, ...problem.path] };
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    return { path: [], message: "has an object that is not plain" };
  }
  for (const key in value) {
    const problem = jsonProblem((value as Record<string, unknown>)[key], depth + 1);
    if (problem !== undefined) return { ...problem, path: [key, ...problem.path] };
  }
  return undefined;
}
