/** Texts that stand for one value or, with `*` at their end, for every one that begins so. */

/** Every text that begins so. */
export const PREFIX_MARK = "*";

/** @example matchesPattern("build-*", "build-docs") // true */
export function matchesPattern(pattern: string, text: string): boolean {
  return pattern.endsWith(PREFIX_MARK) ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

/** Whether all that one pattern stands for is stood for by another. @example coversPattern("build-*", "build-d*") // true */
export function coversPattern(outer: string, inner: string): boolean {
  if (!inner.endsWith(PREFIX_MARK)) return matchesPattern(outer, inner);
  return outer.endsWith(PREFIX_MARK) && inner.slice(0, -1).startsWith(outer.slice(0, -1));
}
