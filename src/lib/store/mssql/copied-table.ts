import type { JsonValue } from "../../model/json.ts";
import type { CopiedTable, FoundRow } from "../copy/copied-rows.ts";
import { type Batch, type OutcomeRow, outcomeRows, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { PROLOGUE } from "./copy-parts.ts";
import { itemJsonText, itemText, plainJson, plainText } from "./item-text.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { BY_KEY, HASH, ID } from "./transaction.ts";

/** What the texts that copy rows into this database have in common. (Their twin reads: see sqlite/copied-rows.ts.) */

/** Columns of free text, and of the text of a JSON value: both travel as item-text.ts says. */
export const TEXT = "text";
export const JSON_TEXT = "json";

/** Columns of a page of rows, each with its type, TEXT or JSON_TEXT. */
export type Columns = { readonly [name: string]: string };

/** OPENJSON takes neither a collation nor NOT NULL. */
function plainType(type: string): string {
  return type.replace(/ COLLATE \w+/, "").replace(/ NOT NULL$/, "");
}

function isText(type: string): boolean {
  return type === TEXT || type === JSON_TEXT;
}

/**
 * Reads what `writePage` wrote into a table variable with a column for each name, `position` first and its key. Texts come
 * in arrays of their own: a TDS server that cuts the columns of OPENJSON … WITH off at 4,000 characters leaves those whole.
 *
 * @param variable its name, with the @
 */
export function readPage(variable: string, path: string, columns: Columns): string {
  const all = Object.entries(columns);
  const short = all.filter(([, type]) => !isText(type));
  const texts = all.filter(([, type]) => isText(type));
  const declared = all.map(([name, type]) => `[${name}] ${isText(type) ? "nvarchar(max) NULL" : type}`);
  const names = short.map(([name]) => `[${name}]`).join(", ");
  const read = short.map(([name, type]) => `[${name}] ${plainType(type)}`);
  const readTexts = texts.map(
    ([name, type]) => `UPDATE r SET [${name}] = ${type === TEXT ? plainText("t.[value]") : plainJson("t.[value]")}
FROM OPENJSON(@items, '$[0].${path}_${name}') AS t JOIN ${variable} AS r ON r.position = CAST(t.[key] AS int)
${BY_KEY};
`,
  );
  return `DECLARE ${variable} TABLE (position int NOT NULL PRIMARY KEY, ${declared.join(", ")});
INSERT INTO ${variable} (position, ${names})
SELECT r.position, ${short.map(([name]) => `r.[${name}]`).join(", ")}
FROM OPENJSON(@items, '$[0].${path}') WITH (position int, ${read.join(", ")}) AS r;
${readTexts.join("")}`;
}

/** The rows that are looked for, by id and idempotency key. */
export const READ_ASKED = `DECLARE @asked TABLE (id ${ID} NOT NULL PRIMARY KEY, idempotency_key ${HASH} NULL);
INSERT INTO @asked (id, idempotency_key)
SELECT i.id, i.idempotency_key FROM OPENJSON(@items) WITH (id varchar(128), idempotency_key varchar(64)) AS i;
`;

/** Makes counters, with a row in every slot for what is added to them. @param names selects them, in one column */
export function makeCounters(names: string): string {
  return `INSERT INTO dbo.counters (name, slot)
SELECT n.name, s.slot FROM (${names}) AS n (name)
CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
`;
}

/** How rows of one kind are found and added. */
interface TableTexts<Row extends object> {
  /** For traces: "copy-agents". */
  name: string;
  idOf(row: Row): string;
  idempotencyKeyOf?(row: Row): string | null;
  /** Selects what is there of @asked (id, idempotency_key), the id asked for as `asked`; absent: nothing is compared. */
  find?: string;
  /** What @items holds; each row with its `position`. */
  encode(rows: readonly Row[]): { [key: string]: JsonValue };
  /** Adds what is not there yet, and sets @added to the number of these. */
  add: string;
}

/** A page goes as one item; it is sent again when an answer is lost, and then finds its rows there. */
export function copiedTable<Row extends object>(texts: TableTexts<Row>): (connection: Connection) => CopiedTable<Row> {
  const find = texts.find === undefined ? undefined : sqlText(`${texts.name}-find`, `${READ_ASKED}${texts.find};\n`);
  const batch: Batch<readonly Row[], number> = {
    name: texts.name,
    sql: sqlText(
      texts.name,
      `${PROLOGUE}DECLARE @added int = 0;\n${texts.add}SELECT 0 AS item, CAST(NULL AS varchar(24)) AS code, CAST(NULL AS nvarchar(128)) AS subject, @added AS added;\n`,
    ),
    encode: texts.encode,
    decode: (result, items) =>
      outcomeRows<OutcomeRow & { added: number }>(result, items).map(({ added }) => ({ value: added })),
    maxItems: 1,
  };
  return (connection) => ({
    find: (rows) => (find === undefined ? Promise.resolve([]) : findRows(connection, find, rows, texts)),
    add: (rows) => connection.run(batch, rows),
  });
}

async function findRows<Row extends object>(
  connection: Connection,
  sql: SqlText,
  rows: readonly Row[],
  { idOf, idempotencyKeyOf = () => null }: TableTexts<Row>,
): Promise<FoundRow[]> {
  const asked = rows.map((row) => ({ id: idOf(row), idempotency_key: idempotencyKeyOf(row) }));
  const result = await connection.query(sql, { items: text(JSON.stringify(asked)) });
  return result.rows<FoundRow>(0);
}

type Rows = readonly { readonly [column: string]: JsonValue }[];

/** Rows as `readPage` reads them: their columns and positions, and each column of texts apart. */
export function writePage(path: string, rows: Rows, columns: Columns): { [key: string]: JsonValue } {
  const all = Object.entries(columns);
  const short = all.filter(([, type]) => !isText(type));
  const page: { [key: string]: JsonValue } = {
    [path]: rows.map((row, position) => ({
      position,
      ...Object.fromEntries(short.map(([name]) => [name, row[name] ?? null] as const)),
    })),
  };
  for (const [name, type] of all) {
    if (isText(type)) page[`${path}_${name}`] = rows.map((row) => writeText(row[name] ?? null, type));
  }
  return page;
}

function writeText(value: JsonValue, type: string): JsonValue {
  if (typeof value !== "string") return null;
  return type === TEXT ? itemText(value) : itemJsonText(value);
}
