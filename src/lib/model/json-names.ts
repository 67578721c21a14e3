import type { FieldError } from "./errors.ts";

/**
 * Names that one object of a JSON text has twice. I-JSON forbids them (RFC 7493, section 2.3,
 * https://www.rfc-editor.org/rfc/rfc7493#section-2.3), because readers differ: some take the first value, some the last, some refuse.
 * A gateway that checks `sender` may have looked at another one than we do. JSON.parse takes the last and says nothing.
 */

const TWICE = "is given more than once in its object, of which JSON readers take different ones (RFC 7493)";
/** As many places as one refusal names. */
const REPORTED_MAX = 20;
const PATH_MAX_CHARACTERS = 256;

/** Deeper values are refused for that, whatever their names are; and a text of 16,000 `[` must not overflow the stack. */
const COUNTED_MAX_DEPTH = 100;

/**
 * How many members all objects of a parsed value have together. A text that writes more names than its value has members has some
 * twice: to count both takes 1 µs of a send of 200 bytes, to remember the names takes ten times as long.
 */
export function countMembers(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null || depth > COUNTED_MAX_DEPTH) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const part of value) members += countMembers(part, depth + 1);
    return members;
  }
  // What JSON.parse makes has no enumerable members but its own. Object.values would take three times as long.
  for (const name in value) members += 1 + countMembers(Reflect.get(value, name), depth + 1);
  return members;
}

/** An object or array that is open, in a walk over a text. */
interface Open {
  /** Of an object: the names so far. */
  names: Set<string> | undefined;
  /** Of the member or element that is being read. */
  name: string | number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * The names that stand twice in one object of a JSON text, by their place: `payload.order.id`. However a name is written: `"\u0061"` is
 * `"a"`.
 *
 * @param text JSON that a parser has read without complaint
 * @example
 * duplicateNames('{"payload":{"id":1,"id":2}}'); // [{ path: "payload.id", message: "is given more than once …" }]
 */
export function duplicateNames(text: string): FieldError[] {
  const found: FieldError[] = [];
  const open: Open[] = [];
  let last = "";
  for (let at = 0; at < text.length && found.length < REPORTED_MAX; at += 1) {
    const code = text.charCodeAt(at);
    const inner = open.at(-1);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      last = text.slice(at, end);
      at = end - 1;
    } else if (code === COLON && inner?.names !== undefined) {
      inner.name = nameOf(last);
      if (inner.names.has(inner.name)) found.push({ path: placeOf(open), message: TWICE });
      inner.names.add(inner.name);
    } else if (code === COMMA && typeof inner?.name === "number") inner.name += 1;
    else if (code === OPEN_OBJECT) open.push({ names: new Set(), name: "" });
    else if (code === OPEN_ARRAY) open.push({ names: undefined, name: 0 });
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) open.pop();
  }
  return found;
}

function placeOf(open: readonly Open[]): string {
  return open
    .map(({ name }) => String(name))
    .join(".")
    .slice(0, PATH_MAX_CHARACTERS);
}

/** What a string of the text says. */
function nameOf(written: string): string {
  return written.includes("\\") ? String(JSON.parse(written)) : written.slice(1, -1);
}

/** The place behind the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  for (let code = text.charCodeAt(end); code !== QUOTE; code = text.charCodeAt(end)) end += code === BACKSLASH ? 2 : 1;
  return end + 1;
}
