import type { JsonValue } from "../lib/model/json.ts";

/**
 * What agents wrote, as a model reads it: under `untrusted`, with who wrote it, never in our own prose. What could hide or reorder text
 * (controls, bidirectional formats, invisible tags) is shown as an escape. https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */

/** Controls and formats but for tabs, line ends, and the joiners that some scripts need. */
const HIDING = /(?![\t\n\r\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function escaped(character: string): string {
  let text = "";
  for (let unit = 0; unit < character.length; unit += 1) {
    text += `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }
  return text;
}

/**
 * A text in which nothing hides.
 *
 * @example
 * visible("pay\u202e001"); // "pay\\u202e001"
 */
export function visible(text: string): string {
  return text.replaceAll(HIDING, escaped);
}

/** A JSON value in whose texts and names nothing hides. */
export function visibleJson(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map(visibleJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [visible(name), visibleJson(part)]));
}

/** Who wrote what a block has; parts that are undefined are left out. */
export interface Author {
  from: string | undefined;
  role?: string | undefined;
}

/**
 * Contents under the name of who wrote them.
 *
 * @param maxBytes of each content as JSON; a longer one is the beginning of that text, and the block says `truncated`
 * @returns undefined when there is none of the contents
 * @example
 * untrusted({ from: "lead", role: "supervisor" }, { description: "Build it" }, 4096);
 */
export function untrusted(
  { from, role }: Author,
  contents: Readonly<Record<string, JsonValue | undefined>>,
  maxBytes: number,
): Record<string, unknown> | undefined {
  const block: Record<string, unknown> = { from, ...(role !== undefined && { role }) };
  let any = false;
  for (const [name, content] of Object.entries(contents)) {
    if (content === undefined) continue;
    any = true;
    const shown = visibleJson(content);
    const text = JSON.stringify(shown);
    if (Buffer.byteLength(text) <= maxBytes) block[name] = shown;
    else {
      block[name] = beginning(typeof shown === "string" ? shown : text, maxBytes);
      block.truncated = true;
    }
  }
  return any ? block : undefined;
}

/** As much of a text as fits, without half a character at its end. */
function beginning(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(maxBytes, bytes.length);
  while (end > 0 && end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}
