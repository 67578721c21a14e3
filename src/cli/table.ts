/** Plain aligned columns: readable by people, greppable, and safe to print whatever is in the data. */

/** A column: its title, and how a row fills it. */
export interface Column<Row> {
  title: string;
  value(row: Row): unknown;
  /** Numbers stand at the right. */
  right?: boolean;
}

const CELL_MAX_CHARACTERS = 60;

/**
 * One value as a cell. Control characters are shown as escapes, so that a payload cannot move the cursor, colour the
 * terminal or fake a line.
 */
export function cell(value: unknown, maxCharacters = CELL_MAX_CHARACTERS): string {
  if (value === undefined || value === null) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const safe = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16).padStart(4, "0");
    return `\\u${hex}`;
  });
  const characters = [...safe];
  return characters.length <= maxCharacters ? safe : `${characters.slice(0, maxCharacters - 1).join("")}…`;
}

function width(text: string): number {
  return [...text].length;
}

function pad(text: string, columns: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, columns - width(text)));
  return right ? space + text : text + space;
}

/** The rows under their titles, or `(none)`. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  if (rows.length === 0) return "(none)";
  const cells = rows.map((row) => columns.map((column) => cell(column.value(row))));
  const widths = columns.map(({ title }, index) =>
    Math.max(width(title), ...cells.map((line) => width(line[index] ?? ""))),
  );
  const format = (line: readonly string[]) =>
    columns
      .map(({ right }, index) => pad(line[index] ?? "", widths[index] ?? 0, right ?? false))
      .join("  ")
      .trimEnd();
  return [format(columns.map(({ title }) => title.toUpperCase())), ...cells.map(format)].join("\n");
}

/** An object as `name  value` lines; objects inside it are dotted. */
export function properties(value: object): string {
  const lines = flatten(value, "");
  const longest = Math.max(0, ...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(longest)}  ${text}`).join("\n");
}

function flatten(value: object, prefix: string): [string, string][] {
  return Object.entries(value).flatMap(([name, item]): [string, string][] => {
    const path = `${prefix}${name}`;
    const nested = typeof item === "object" && item !== null && !Array.isArray(item) && Object.keys(item).length > 0;
    return nested ? flatten(item, `${path}.`) : [[path, cell(item, 400)]];
  });
}
