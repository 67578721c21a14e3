/**
 * What others wrote, made fit to be shown. A terminal obeys control characters (C0, and C1 above them), bidirectional controls
 * change the order in which a line reads, and a line end begins a line that looks like ours. Everything that prints a text, a
 * name or a JSON value from elsewhere takes one of these three; see Unicode Technical Report 36, section 3.
 */

/**
 * Controls (Cc), formats such as bidirectional controls (Cf), line and paragraph separators (Zl, Zp), and surrogates without a
 * partner (Cs).
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The same but for the line feed. */
const UNPRINTABLE_IN_LINES = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** As JSON has it: one escape for each unit of UTF-16, so it is the same value when it is read as JSON. */
function escaped(character: string): string {
  let text = "";
  for (let unit = 0; unit < character.length; unit += 1) {
    text += `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }
  return text;
}

/**
 * A text in one line: what moves the cursor, colours, reorders or ends a line is shown as an escape.
 *
 * @example
 * printable("done\u001b[2J\nerror: none"); // "done\\u001b[2J\\u000aerror: none"
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, escaped);
}

/** As `printable`, for a text of several lines of ours: line feeds stay. */
export function printableLines(text: string): string {
  return text.replaceAll(UNPRINTABLE_IN_LINES, escaped);
}

/**
 * JSON for people and programs: the same value to a parser, and nothing in it for a terminal.
 *
 * @param space as JSON.stringify has it
 * @returns the text; `undefined` for what JSON has no text for
 * @example
 * printableJson({ "a\u009b": "\u202e" }); // {"a\\u009b":"\\u202e"}
 */
export function printableJson(value: unknown, space?: number): string {
  // Outside of its strings JSON has no unprintable characters but the line feeds of `space`, inside it has no line feeds.
  return printableLines(JSON.stringify(value, null, space) ?? "undefined");
}
