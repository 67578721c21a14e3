import { JSON_MAX_DEPTH } from "../model/limits.ts";

/**
 * What a JSON text looks like, found before it is parsed: 4 MB of `[` take a parser 300 ms and 400,000 keys 500 ms, in which nothing
 * else is served. A look takes 3 ms for each megabyte and makes nothing.
 */

/** Below this many bytes no text can cost more than 1 ms. */
const CHEAP_BYTES = 16 * 1024;
/** Levels that a request itself may have around the JSON of its fields. */
const OWN_LEVELS = 8;
/** Members of one object. */
export const JSON_MAX_MEMBERS = 10_000;
/** Values in one body, objects and arrays among them. */
export const JSON_MAX_VALUES = 500_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The place behind the string that begins behind `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === BACKSLASH) at += 1;
    else if (byte === QUOTE) return at + 1;
  }
  return bytes.length;
}

/** What a look at a text has found. */
export interface JsonShape {
  /** Why the text is dearer to read than any request needs to be; undefined when it is not. */
  problem: string | undefined;
  /** Names that it writes, of all its objects: where there is a problem, those before it. */
  names: number;
}

/**
 * Looks at a text. What is no JSON at all is left to the parser.
 *
 * @param bytes UTF-8
 */
export function shapeOf(bytes: Uint8Array): JsonShape {
  const cheap = bytes.length <= CHEAP_BYTES;
  const deepest = JSON_MAX_DEPTH + OWN_LEVELS;
  /** Members so far of the object at each level; -1 in an array. */
  const members: number[] = [];
  let values = 1;
  let names = 0;
  const dear = (problem: string): JsonShape => ({ problem, names });
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at];
    at += 1;
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === COLON) names += 1;
    else if (cheap) continue;
    else if (byte === COMMA) {
      values += 1;
      const level = members.length - 1;
      const count = members[level] ?? -1;
      if (count >= 0) members[level] = count + 1;
      if (count >= JSON_MAX_MEMBERS) return dear(`has an object of more than ${JSON_MAX_MEMBERS} members`);
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      values += 1;
      members.push(byte === OPEN_OBJECT ? 1 : -1);
      if (members.length > deepest) return dear(`is nested deeper than ${JSON_MAX_DEPTH} levels`);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) members.pop();
    if (values > JSON_MAX_VALUES) return dear(`has more than ${JSON_MAX_VALUES} values`);
  }
  return { problem: undefined, names };
}
