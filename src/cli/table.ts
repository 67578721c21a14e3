import stringWidth from "string-width";
import { printable, printableJson } from "../lib/model/printable.ts";
import { isTime, relativeTime, type View } from "./view.ts";

/** Plain aligned columns: readable by people, greppable, and safe to print whatever is in the data. */

/** A column: its title, and how a row fills it. */
export interface Column<Row> {
  title: string;
  value(row: Row): unknown;
  /** Numbers stand at the right. */
  right?: boolean;
  /** It is an ISO time, shown as its distance from now. */
  time?: boolean;
  /** It is prose or data that may be cut where the terminal is narrow; ids and numbers never are. */
  text?: boolean;
}

const CELL_MAX_CHARACTERS = 60;
const PROPERTY_MAX_CHARACTERS = 400;
/** What a cut column keeps at least: enough to recognise a value by. */
const CUT_MIN_COLUMNS = 8;
const GAP = "  ";

/**
 * One value as a cell. Control characters are shown as escapes, so that a payload cannot move the cursor, colour the
 * terminal or fake a line.
 */
export function cell(value: unknown, maxCharacters = CELL_MAX_CHARACTERS): string {
  if (value === undefined || value === null) return "-";
  const safe = typeof value === "string" ? printable(value) : printableJson(value);
  const characters = [...safe];
  return characters.length <= maxCharacters ? safe : `${characters.slice(0, maxCharacters - 1).join("")}…`;
}

function pad(text: string, columns: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, columns - stringWidth(text)));
  return right ? space + text : text + space;
}

/** The text in at most so many columns; an ellipsis stands for what was left out. */
function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = "";
  let used = 1;
  for (const character of text) {
    used += stringWidth(character);
    if (used > columns) break;
    kept += character;
  }
  return `${kept}…`;
}

/**
 * The widths of the columns in a terminal: the widest column that may be cut gives way first, and none gets narrower than its
 * title or CUT_MIN_COLUMNS.
 *
 * @returns undefined when the rows do not fit that way either
 */
function fittedWidths(
  wanted: readonly number[],
  least: readonly number[],
  columns: number | undefined,
): number[] | undefined {
  const widths = [...wanted];
  if (columns === undefined) return widths;
  const gaps = GAP.length * (widths.length - 1);
  for (let excess = widths.reduce((sum, width) => sum + width, gaps) - columns; excess > 0; excess--) {
    let widest = -1;
    for (const [index, width] of widths.entries()) {
      if (width > (least[index] ?? 0) && (widest < 0 || width > (widths[widest] ?? 0))) widest = index;
    }
    if (widest < 0) return undefined;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** The rows one below the other, for terminals that are too narrow for a table. */
function records<Row>(columns: readonly Column<Row>[], cells: readonly string[][], view: View): string {
  const longest = Math.max(...columns.map(({ title }) => stringWidth(title)));
  const line = (title: string, text: string) => {
    const name = pad(title.toUpperCase(), longest, false) + GAP;
    return view.columns === undefined
      ? name + text
      : name + cut(text, Math.max(1, view.columns - longest - GAP.length));
  };
  return cells.map((row) => columns.map(({ title }, index) => line(title, row[index] ?? "")).join("\n")).join("\n\n");
}

/**
 * The rows under their titles, or `(none)`. In a terminal the lines are as wide as it is: texts are cut, what names a row is not;
 * where even that is too wide, each row is a block of `TITLE  value` lines.
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], view: View): string {
  if (rows.length === 0) return "(none)";
  const cells = rows.map((row) =>
    columns.map(({ value, time }) => {
      const content = value(row);
      return cell(time === true && typeof content === "string" ? relativeTime(content, view) : content);
    }),
  );
  const titles = columns.map(({ title }) => stringWidth(title));
  const wanted = titles.map((title, index) => Math.max(title, ...cells.map((line) => stringWidth(line[index] ?? ""))));
  const least = columns.map(({ text }, index) =>
    text === true ? Math.max(titles[index] ?? 0, CUT_MIN_COLUMNS) : (wanted[index] ?? 0),
  );
  const widths = fittedWidths(wanted, least, view.columns);
  if (widths === undefined) return records(columns, cells, view);
  const format = (line: readonly string[]) =>
    columns
      .map(({ right }, index) => {
        const width = widths[index] ?? 0;
        return pad(cut(line[index] ?? "", width), width, right ?? false);
      })
      .join(GAP)
      .trimEnd();
  return [format(columns.map(({ title }) => title.toUpperCase())), ...cells.map(format)].join("\n");
}

/** An object as `name  value` lines; objects inside it are dotted, and times say how far away they are. */
export function properties(value: object, view: View): string {
  const lines = flatten(value, "", view);
  const longest = Math.max(0, ...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(longest)}${GAP}${text}`).join("\n");
}

/** Keys of metadata and payloads are others' words, too: what is no plain word is quoted, so that blanks cannot fake a column. */
function propertyName(name: string): string {
  return /^[\w.:@/#+-]{1,128}$/.test(name) ? name : cell(JSON.stringify(name));
}

function flatten(value: object, prefix: string, view: View): [string, string][] {
  return Object.entries(value).flatMap(([name, item]): [string, string][] => {
    const path = `${prefix}${propertyName(name)}`;
    const nested = typeof item === "object" && item !== null && !Array.isArray(item) && Object.keys(item).length > 0;
    if (nested) return flatten(item, `${path}.`, view);
    const text = cell(item, PROPERTY_MAX_CHARACTERS);
    return [[path, isTime(name, item) ? `${text} (${relativeTime(item, view)})` : text]];
  });
}
