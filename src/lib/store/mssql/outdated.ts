import { actorOf } from "../../trace/call-context.ts";
import { type OutdatedRow, readOutdated } from "../outdated-values.ts";
import type { EncryptedKind, OutdatedPosition, OutdatedValue, Replacement } from "../store.ts";
import { bigint, id, int, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { JSON_TEXT, TEXT, writePage } from "./copied-table.ts";
import type { Procedure } from "./procedures.ts";
import { procedure } from "./procedures.ts";
import { ID, KEY_VERSION } from "./transaction.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** Values that are encrypted under another version than the current one: how many, which, and their replacement. */

/** How the values of a kind are found again and written. */
interface Home {
  /** Whether places are numbers, not ids. */
  numbered: boolean;
  /** Whether the value is the JSON text; inside of a document it is a string. */
  isJson: boolean;
}

const IN_ROWS: Home = { numbered: true, isJson: true };
const IN_DOCUMENTS: Home = { numbered: false, isJson: false };
const HOMES: Readonly<Record<EncryptedKind, Home>> = {
  message: IN_ROWS,
  parameters: IN_ROWS,
  result: IN_ROWS,
  archived_parameters: IN_DOCUMENTS,
  archived_result: IN_DOCUMENTS,
  task_value: IN_ROWS,
  schedule: IN_ROWS,
  archived_task_value: IN_ROWS,
};

const COUNT = procedure("count_outdated");

/** Values under another version than `keyVersion` ("": under any), counted up to `max`. */
export async function countOutdated(connection: Connection, keyVersion: string, max: number): Promise<number> {
  const result = await connection.query(COUNT, { keyVersion: word(keyVersion), max: int(max) });
  return Math.min(result.rows<{ outdated: number }>(0)[0]?.outdated ?? 0, max);
}

function perKind<Value>(make: (kind: EncryptedKind, home: Home) => Value): Readonly<Record<EncryptedKind, Value>> {
  return {
    message: make("message", HOMES.message),
    parameters: make("parameters", HOMES.parameters),
    result: make("result", HOMES.result),
    archived_parameters: make("archived_parameters", HOMES.archived_parameters),
    archived_result: make("archived_result", HOMES.archived_result),
    task_value: make("task_value", HOMES.task_value),
    schedule: make("schedule", HOMES.schedule),
    archived_task_value: make("archived_task_value", HOMES.archived_task_value),
  };
}

const FIND: Readonly<Record<EncryptedKind, Procedure>> = perKind((kind) => procedure(`find_outdated_${kind}`));

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
  const values = result.rows<OutdatedRow>(0).map(readOutdated);
  return isJson ? values : values.map((value) => ({ ...value, text: JSON.stringify(value.text) }));
}

/** An envelope is known by its beginning, which has its salt, also inside of the payload of a task_result. */
export const COMPARED_CHARACTERS = 512;

const pageOf = ({ isJson }: Home) => ({
  id: `${ID} NOT NULL`,
  version: KEY_VERSION,
  was: TEXT,
  text: isJson ? JSON_TEXT : TEXT,
});

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
    sql: procedure(`replace_outdated_${kind}`),
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
