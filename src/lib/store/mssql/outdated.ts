import { actorOf } from "../../security/call-context.ts";
import { OUTDATED_CHARACTERS, OUTDATED_ROWS } from "../outdated-values.ts";
import type { EncryptedKind, OutdatedPosition, OutdatedValue, Replacement } from "../store.ts";
import { detailOf, recordRows } from "./audit.ts";
import { bigint, id, int, type Row, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { BIN2, BY_KEY, ID, KEY_VERSION, PROLOGUE, raceUnless } from "./transaction.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** Values that are encrypted under another version than the current one: how many, which, and their replacement. */

/** Where the values of a kind are; in its expressions, `x` is the table. */
interface Home {
  table: string;
  /** The column of key versions, which has an index together with `place`. */
  version: string;
  place: string;
  /** Whether places are numbers, not ids. */
  numbered: boolean;
  /** Tables that the expressions need beside it. */
  joins: string;
  /** What joins `x`, and what the expressions need beside it, to ids in `r`. */
  byId: string;
  id: string;
  belongsTo: string;
  ofSystem: string;
  /** The value as it is stored, or inside of a document as the text of a JSON string. */
  text: string;
  /** About how long it is, without reading it. */
  characters: string;
  /** Whether the value is the JSON text; inside of a document it is a string. */
  isJson: boolean;
  /** Writes the text and version of `r` to the place of `c`. */
  write: string;
}

/** Rows that are chosen to be replaced: @chosen AS c, with the replacement @rows AS r. */
const CHOSEN = "FROM @chosen AS c JOIN @rows AS r ON r.position = c.position";

function ofTask(table: "task_bodies" | "task_outcomes", column: "parameters" | "result"): Home {
  return {
    table,
    version: "key_version",
    place: "task_no",
    numbered: true,
    joins: "JOIN dbo.tasks AS t ON t.task_no = x.task_no",
    byId: `JOIN dbo.tasks AS t ON t.task_id = r.id JOIN dbo.${table} AS x ON x.task_no = t.task_no`,
    id: "t.task_id",
    belongsTo: "t.task_id",
    ofSystem: "0",
    text: `x.${column}`,
    characters: `DATALENGTH(x.${column}) / 2`,
    isJson: true,
    write: `UPDATE x SET ${column} = r.text, key_version = @keyVersion
  ${CHOSEN} JOIN dbo.${table} AS x ON x.task_no = c.place
  WHERE x.key_version = r.version
  ${BY_KEY};
  ${raceUnless("@chosenRows")}`,
  };
}

function archived(field: "parameters" | "result", version: "key_version" | "result_key_version"): Home {
  const value = `CROSS APPLY (SELECT v.[value] FROM OPENJSON(x.task) AS v WHERE v.[key] = N'${field}') AS d`;
  return {
    table: "task_archive",
    version,
    place: "task_id",
    numbered: false,
    joins: value,
    byId: `JOIN dbo.task_archive AS x ON x.task_id = r.id ${value}`,
    id: "x.task_id",
    belongsTo: "x.task_id",
    ofSystem: "0",
    text: "d.[value]",
    characters: "DATALENGTH(x.task) / 2",
    isJson: false,
    write: `UPDATE x SET task = JSON_MODIFY(x.task, '$.${field}', r.text), ${version} = @keyVersion
  ${CHOSEN} JOIN dbo.task_archive AS x ON x.task_id = c.place
  WHERE x.${version} = r.version
  ${BY_KEY};
  ${raceUnless("@chosenRows")}`,
  };
}

const PAYLOADS = "JOIN dbo.message_payloads AS p ON p.arrival = x.arrival";

const HOMES: Readonly<Record<EncryptedKind, Home>> = {
  message: {
    table: "messages",
    version: "key_version",
    place: "arrival",
    numbered: true,
    joins: PAYLOADS,
    byId: `JOIN dbo.messages AS x ON x.message_id = r.id ${PAYLOADS}`,
    id: "x.message_id",
    belongsTo: "COALESCE(x.post_id, x.message_id)",
    ofSystem: "CASE WHEN x.sender_no IS NULL THEN 1 ELSE 0 END",
    text: "p.payload",
    characters: "x.payload_bytes",
    isJson: true,
    // The bytes of the payload stay the same: versions are of one length.
    write: `UPDATE x SET key_version = @keyVersion
  ${CHOSEN} JOIN dbo.messages AS x ON x.arrival = c.place
  WHERE x.key_version = r.version
  ${BY_KEY};
  ${raceUnless("@chosenRows")}  UPDATE p SET payload = r.text
  ${CHOSEN} JOIN dbo.message_payloads AS p ON p.arrival = c.place
  ${BY_KEY};
  ${raceUnless("@chosenRows")}`,
  },
  parameters: ofTask("task_bodies", "parameters"),
  result: ofTask("task_outcomes", "result"),
  archived_parameters: archived("parameters", "key_version"),
  archived_result: archived("result", "result_key_version"),
};

function countOf({ table, version }: Home, comparison: "<" | ">"): string {
  return `SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.${version} FROM dbo.${table} AS x
  WHERE x.${version} IS NOT NULL AND x.${version} ${comparison} @keyVersion) AS f`;
}

const COUNT = sqlText(
  "count-outdated",
  `SELECT SUM(n.found) AS outdated FROM (${Object.values(HOMES)
    .flatMap((home) => [countOf(home, "<"), countOf(home, ">")])
    .join("\nUNION ALL ")}) AS n;
`,
);

/** Values under another version than `keyVersion` ("": under any), counted up to `max`. */
export async function countOutdated(connection: Connection, keyVersion: string, max: number): Promise<number> {
  const result = await connection.query(COUNT, { keyVersion: word(keyVersion), max: int(max) });
  return Math.min(result.rows<{ outdated: number }>(0)[0]?.outdated ?? 0, max);
}

/** Two ranges of the index, before and behind the version, so that what is under it is not read. */
function findText({ table, version, place, numbered, joins, id, belongsTo, ofSystem, text, characters }: Home): string {
  const range = (comparison: string, name: string) => `SELECT ${name}.place, ${name}.key_version
  FROM (SELECT TOP (${OUTDATED_ROWS}) x.${place} AS place, x.${version} AS key_version FROM dbo.${table} AS x
    WHERE x.${version} IS NOT NULL AND x.${version} ${comparison} @keyVersion AND x.${version} >= @afterVersion
      AND (x.${version} > @afterVersion OR x.${place} > @afterPlace)
    ORDER BY x.${version}, x.${place}) AS ${name}`;
  return `DECLARE @found TABLE (position int IDENTITY NOT NULL PRIMARY KEY, place ${numbered ? "bigint" : ID} NOT NULL);
INSERT INTO @found (place)
SELECT TOP (${OUTDATED_ROWS}) u.place FROM (${range("<", "l")}
  UNION ALL ${range(">", "g")}) AS u ORDER BY u.key_version, u.place;
SELECT ${id} AS id, ${belongsTo} AS belongs_to, x.${version} AS key_version, w.place, ${ofSystem} AS of_system, ${text} AS text
FROM (SELECT f.position, f.place, SUM(z.characters) OVER (ORDER BY f.position ROWS UNBOUNDED PRECEDING) - z.characters AS before
  FROM @found AS f CROSS APPLY (SELECT CAST(${characters} AS bigint) AS characters FROM dbo.${table} AS x
    WHERE x.${place} = f.place) AS z) AS w
JOIN dbo.${table} AS x ON x.${place} = w.place ${joins}
WHERE w.before <= ${OUTDATED_CHARACTERS} AND x.${version} IS NOT NULL
ORDER BY w.position;
`;
}

function perKind<Value>(make: (kind: EncryptedKind, home: Home) => Value): Readonly<Record<EncryptedKind, Value>> {
  return {
    message: make("message", HOMES.message),
    parameters: make("parameters", HOMES.parameters),
    result: make("result", HOMES.result),
    archived_parameters: make("archived_parameters", HOMES.archived_parameters),
    archived_result: make("archived_result", HOMES.archived_result),
  };
}

const FIND: Readonly<Record<EncryptedKind, SqlText>> = perKind((kind, home) =>
  sqlText(`find-outdated ${kind}`, findText(home)),
);

interface FoundValue extends Row {
  id: string;
  belongs_to: string;
  key_version: string;
  place: number | string;
  of_system: number;
  text: string;
}

/** Values of a kind that are encrypted under another version, after a position: some more, or none at the end. */
export async function findOutdated(
  connection: Connection,
  kind: EncryptedKind,
  keyVersion: string,
  after?: OutdatedPosition,
): Promise<OutdatedValue[]> {
  const { numbered, isJson } = HOMES[kind];
  const result = await connection.query(FIND[kind], {
    keyVersion: word(keyVersion),
    afterVersion: word(after?.keyVersion ?? ""),
    afterPlace: numbered ? bigint(Number(after?.place ?? 0)) : id(String(after?.place ?? "")),
  });
  return result.rows<FoundValue>(0).map((row) => ({
    id: row.id,
    belongsTo: row.belongs_to,
    keyVersion: row.key_version,
    place: row.place,
    ofSystem: row.of_system === 1,
    text: isJson ? row.text : JSON.stringify(row.text),
  }));
}

/** An envelope is known by its beginning, which has its salt, also inside of the payload of a task_result. */
const COMPARED_CHARACTERS = 512;

const pageOf = ({ isJson }: Home) => ({
  id: `${ID} NOT NULL`,
  version: KEY_VERSION,
  was: TEXT,
  text: isJson ? JSON_TEXT : TEXT,
});

/**
 * What is replaced is chosen first; that it is still the same value then, its place and version tell: a place is never used
 * again.
 */
function replaceText(kind: EncryptedKind, home: Home): string {
  const { version, place, numbered, byId, text, write } = home;
  return `${PROLOGUE}DECLARE @chosen TABLE (position int NOT NULL PRIMARY KEY, place ${numbered ? "bigint" : ID} NOT NULL);
DECLARE @chosenRows int, @keyVersion varchar(64) = JSON_VALUE(@items, '$[0].keyVersion'),
  @actor varchar(128) = JSON_VALUE(@items, '$[0].actor');
${readPage("@rows", "rows", pageOf(home))}INSERT INTO @chosen (position, place)
SELECT r.position, x.${place}
FROM @rows AS r ${byId}
WHERE x.${version} = r.version AND LEFT(${text}, ${COMPARED_CHARACTERS}) ${BIN2} = r.was
${BY_KEY};
SET @chosenRows = @@ROWCOUNT;
IF @chosenRows > 0
BEGIN
  BEGIN TRANSACTION;
  ${write}  ${recordRows({
    actor: "@actor",
    action: "'encryption.rotated'",
    subjectKind: "'encryption_key'",
    subjectId: "@keyVersion",
    detail: detailOf({ kind: { word: `'${kind}'` }, count: { number: "@chosenRows" } }),
  })}  COMMIT TRANSACTION;
END;
SELECT @chosenRows AS replaced;
`;
}

interface ReplaceCall {
  keyVersion: string;
  replacements: readonly Replacement[];
}

const REPLACE = perKind((kind, home) =>
  upkeepStep<ReplaceCall, { replaced: number }>({
    name: `replace-outdated ${kind}`,
    encode: ({ keyVersion, replacements }) => ({
      keyVersion,
      actor: actorOf(),
      ...writePage(
        "rows",
        replacements.map((replacement) => encodeReplacement(replacement, home)),
        pageOf(home),
      ),
    }),
    wakes: false,
    sql: sqlText(`replace-outdated ${kind}`, replaceText(kind, home)),
  }),
);

function encodeReplacement({ id, was, text }: Replacement, { isJson }: Home) {
  const inside = (json: string) => (isJson ? json : String(JSON.parse(json)));
  return { id, version: was.keyVersion, was: inside(was.text).slice(0, COMPARED_CHARACTERS), text: inside(text) };
}

/** Replaces each that is still what it was; they are under `keyVersion` then. @returns how many */
export async function replaceOutdated(
  connection: Connection,
  kind: EncryptedKind,
  keyVersion: string,
  replacements: readonly Replacement[],
): Promise<number> {
  const { replaced } = await connection.run(REPLACE[kind], { keyVersion, replacements });
  return replaced;
}
