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

/**
 * Says why `value` cannot be kept as JSON, or undefined when it can: not finite (JSON text such as 1e999 parses to
 * Infinity and would come back as null), not JSON at all (undefined, a function, a bigint, a Date), or nested deeper
 * than JSON_MAX_DEPTH. Walks with a depth bound, so a hostile depth cannot overflow the stack.
 */
export function jsonProblem(value: unknown, depth = 0): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : "has a number outside the range of JSON readers";
    case "object":
      return value === null ? undefined : containerProblem(value, depth);
    default:
      return `has a ${typeof value}, which JSON cannot carry`;
  }
}

function containerProblem(value: object, depth: number): string | undefined {
  if (depth >= JSON_MAX_DEPTH) return `is nested deeper than ${JSON_MAX_DEPTH} levels`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = jsonProblem(item, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    return "has an object that is not plain";
  }
  for (const key in value) {
    const problem = jsonProblem((value as Record<string, unknown>)[key], depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
