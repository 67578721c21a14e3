import { exceedsBytes, type JsonValue, utf8Bytes } from "./json.ts";

/**
 * The text of a JSON value, made once: where a request is parsed, to see whether it is too large. What follows (encryption,
 * the stores) takes it from here; of 256 kB each further text would cost a millisecond. Only the hash by which a repeat is
 * known reads the value again, since it sorts keys.
 */
export class JsonText {
  readonly text: string;
  #bytes: number | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** In UTF-8. */
  get bytes(): number {
    this.#bytes ??= utf8Bytes(this.text);
    return this.#bytes;
  }

  exceeds(limit: number): boolean {
    return this.#bytes === undefined ? exceedsBytes(this.text, limit) : this.#bytes > limit;
  }
}

/** Texts by value object. An entry lives as long as its object; code does not change the values of a request. */
const made = new WeakMap<object, JsonText>();

/**
 * The text of `value`, as JSON.stringify makes it. The text of an object or array is remembered, so the caller must not change
 * the value afterwards; the text of a string or number is made on each call.
 */
export function jsonTextOf(value: JsonValue): JsonText {
  if (typeof value !== "object" || value === null) return new JsonText(JSON.stringify(value));
  let text = made.get(value);
  if (text === undefined) {
    text = new JsonText(JSON.stringify(value));
    made.set(value, text);
  }
  return text;
}
