import type { JsonValue } from "../../model/json.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import { BIN2 } from "./transaction.ts";

/**
 * How texts travel inside @items. Quotes, backslashes and line ends, which JSON would escape, are sent as Unicode
 * noncharacters, one for one, and turned back where a batch reads them. A payload is JSON inside JSON, so this saves a sixth
 * of its bytes; and a TDS server that leaves escapes in a string of OPENJSON then stores the same text as SQL Server does:
 * this is the one place that knows of that. (Other control characters stay JSON escapes.)
 */

/** What stands for what: "not intended for interchange", https://www.unicode.org/faq/private_use.html#noncharacters */
const SENT_AS = [
  ['"', "\ufdd0"],
  ["\\", "\ufdd1"],
  ["\n", "\ufdd2"],
  ["\r", "\ufdd3"],
  ["\t", "\ufdd4"],
] as const;
/** JSON text has no other of them outside its own escapes. */
const IN_JSON = SENT_AS.slice(0, 2);

const SENT: ReadonlyMap<string, string> = new Map(SENT_AS);
const UNSAFE = /["\\\n\r\t]/g;
const NONCHARACTERS = /[\ufdd0-\ufdd4]/g;

function send(text: string): string {
  return text.replace(UNSAFE, (character) => SENT.get(character) ?? character);
}

/** Free text for @items. One of the five noncharacters in the caller's own text becomes U+FFFD, the replacement character. */
export function itemText(text: string): string {
  return send(text.replace(NONCHARACTERS, "\ufffd"));
}

/** The JSON text of a value for @items. */
export function itemJson(value: JsonValue): string {
  return itemJsonText(jsonTextOf(value).text);
}

/** JSON text for @items; noncharacters of the caller's own are escaped in it, so it stays exact. */
export function itemJsonText(text: string): string {
  const codeOf = (character: string) => `\\u${character.charCodeAt(0).toString(16)}`;
  return send(text.replace(NONCHARACTERS, codeOf));
}

function replaced(column: string, pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce(
    (sql, [plain, sent]) => `REPLACE(${sql}, NCHAR(${sent.charCodeAt(0)}), NCHAR(${plain.charCodeAt(0)}))`,
    `${column} ${BIN2}`,
  );
}

/**
 * T-SQL that reads what `itemText` made.
 *
 * @example
 * `SELECT ${plainText("x.reason")} FROM OPENJSON(@items) WITH (reason nvarchar(max)) AS x`
 */
export function plainText(column: string): string {
  return replaced(column, SENT_AS);
}

/** T-SQL that reads what `itemJson` made. */
export function plainJson(column: string): string {
  return replaced(column, IN_JSON);
}
