import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { batchesOf } from "./texts.ts";

/**
 * The T-SQL of a release: procedures/<verb>.sql and the parts that they include. A table parameter is read-only in T-SQL, so
 * what hands rows on to the next step is a file that the verb includes:
 *
 *     -- include: parts/end-tasks.sql
 *
 * A part may leave names open, as `$(table)`; the file that includes it says what they are, each on a line of its own:
 *
 *     -- include: parts/find-outdated.sql
 *     --   table = dbo.task_bodies
 *
 * A value may go on in lines that stand deeper.
 *
 * The schema is called `release` in the files; a release is put into one of SLOTS.
 */

const FOLDER = new URL("./procedures/", import.meta.url);

/** The schemas in which releases stand side by side, made by infra/sql/roles.sql. */
export const SLOTS = ["release_a", "release_b", "release_c"] as const;
export type Slot = (typeof SLOTS)[number];

/** Where a line of a built text comes from. */
export interface SourceLine {
  file: string;
  /** From 1. */
  line: number;
}

/** One procedure, with what it includes. */
export interface BuiltProcedure {
  /** complete_tasks */
  name: string;
  /** Names of its parameters, without @, in order. */
  parameters: readonly string[];
  /** With the schema `release`. */
  sql: string;
  /** The origin of each line of `sql`. */
  lines: readonly SourceLine[];
  /** The files that it is made of, its own first. */
  files: readonly string[];
}

/** All of it: what `migrate` creates. */
export interface Release {
  /** Of every text of the release; 16 hexadecimal digits. */
  hash: string;
  /** Batches that make the table types. */
  types: readonly string[];
  procedures: readonly BuiltProcedure[];
}

/** From the name to the body; group 1: a line for each parameter. */
export const PROCEDURE_HEADER = /^CREATE PROCEDURE release\.\w+\n((?: {2}@.*\n)*)AS\n/m;
const INCLUDE = /^\s*-- include: (\S+)$/;
/** What an open name of the part above is; its further lines stand deeper. */
const VALUE = /^\s*-- {3}(?:(\w+) = | {2,})(.+)$/;
/** What only a slot says. */
const OF_SLOT = new Set(["slot", "hash"]);

interface Line extends SourceLine {
  text: string;
}

function readLines(file: string, within: readonly string[] = []): Line[] {
  if (within.includes(file)) throw new Error(`${file} includes itself: ${[...within, file].join(" → ")}`);
  const lines = readFileSync(new URL(file, FOLDER), "utf8").trimEnd().split("\n");
  const built: Line[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const text = lines[index] ?? "";
    const included = INCLUDE.exec(text)?.[1];
    if (included === undefined) {
      built.push({ file, line: index + 1, text });
      continue;
    }
    const values = new Map<string, string>();
    for (let name = ""; ; index += 1) {
      const [, said = name, value = ""] = VALUE.exec(lines[index + 1] ?? "") ?? [];
      if (said === "" || value === "") break;
      values.set(said, said === name ? `${values.get(name)} ${value}` : value);
      name = said;
    }
    built.push(...withValues(readLines(included, [...within, file]), values, `${file} → ${included}`));
  }
  return built;
}

/** Says what the open names of a part are. @throws Error when it has none of that name */
function withValues(lines: readonly Line[], values: ReadonlyMap<string, string>, where: string): readonly Line[] {
  if (values.size === 0) return lines;
  const idle = [...values.keys()].filter((name) => !lines.some(({ text }) => text.includes(`$(${name})`)));
  if (idle.length > 0) throw new Error(`${where} has no $(${idle.join("), $(")})`);
  return lines.map((line) => ({
    ...line,
    // A comment says what the name is for; what it is would only make it longer.
    text: line.text.trimStart().startsWith("--")
      ? line.text
      : line.text.replaceAll(/\$\((\w+)\)/g, (open, name: string) => values.get(name) ?? open),
  }));
}

/**
 * Builds one file with what it includes.
 *
 * @param file below procedures/, such as "complete-tasks.sql"
 * @throws Error when it, or what it includes, is not there, includes itself, or leaves a name open
 */
export function buildProcedure(file: string): BuiltProcedure {
  const lines = readLines(file);
  const sql = `${lines.map(({ text }) => text).join("\n")}\n`;
  const open = [...sql.replaceAll(/^\s*--.*$/gm, "").matchAll(/\$\((\w+)\)/g)].find(
    ([, name = ""]) => !OF_SLOT.has(name),
  );
  if (open !== undefined) throw new Error(`${file} does not say what ${open[0]} is`);
  const header = PROCEDURE_HEADER.exec(sql)?.[1] ?? "";
  return {
    name: file.replace(/\.sql$/, "").replaceAll("-", "_"),
    parameters: [...header.matchAll(/^ {2}@(\w+)/gm)].map(([, name = ""]) => name),
    sql,
    lines,
    files: [...new Set(lines.map((line) => line.file))],
  };
}

/**
 * A part for a text that is sent as it is (a copy runs as the migrator, with texts of its own): there a lost race is told by
 * a row, since only procedures return numbers.
 */
export function partOfText(name: string): string {
  return buildProcedure(`parts/${name}.sql`).sql.replaceAll("RETURN 1;", "SELECT 1 AS lost_race; RETURN;");
}

let read: Release | undefined;

/** The release of this version of the app; read once. */
export function readRelease(): Release {
  read ??= buildRelease();
  return read;
}

function buildRelease(): Release {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".sql") && name !== "types.sql");
  const procedures = files.sort().map((file) => buildProcedure(file));
  const types = batchesOf(readFileSync(new URL("types.sql", FOLDER), "utf8"));
  const hash = createHash("sha256");
  for (const text of [...types, ...procedures.map(({ sql }) => sql)]) hash.update(text).update("\0");
  return { hash: hash.digest("hex").slice(0, 16), types, procedures };
}

/**
 * A text of the release as it stands in a slot.
 *
 * @example
 * inSlot("EXEC release.hand_out @freed", "release_b", hash) // "EXEC release_b.hand_out @freed"
 */
export function inSlot(sql: string, slot: Slot, hash: string): string {
  return sql
    .replaceAll(/\brelease\.(?=[a-z])/g, `${slot}.`)
    .replaceAll("$(slot)", slot)
    .replaceAll("$(hash)", hash);
}

let parameters: ReadonlyMap<string, readonly string[]> | undefined;

/** The parameters of a procedure of this release. @throws Error when there is no such procedure */
export function parametersOf(procedure: string): readonly string[] {
  parameters ??= new Map(readRelease().procedures.map((one) => [one.name, one.parameters]));
  const found = parameters.get(procedure);
  if (found === undefined) throw new Error(`there is no procedure ${procedure}`);
  return found;
}
