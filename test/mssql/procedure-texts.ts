import type { BuiltProcedure, Release } from "../../src/lib/store/mssql/procedure-files.ts";

/** Procedures as the checks read them: as a batch, with parameters as variables and table types written out. */

/** The columns of the table types of a release, by name: "(agent_no int NOT NULL PRIMARY KEY)". */
export function tableTypesOf({ types }: Pick<Release, "types">): Map<string, string> {
  const found = types.map((text) => /CREATE TYPE release\.(\w+) AS TABLE (\([\s\S]*\));/.exec(text));
  return new Map(found.flatMap((match) => (match === null ? [] : [[match[1] ?? "", match[2] ?? ""]])));
}

const HEADER = /^CREATE PROCEDURE release\.\w+\n((?: {2}@.*\n)*)AS\n/m;

/** A parameter as it is declared: its name, its type and whether it is handed back. */
export interface Parameter {
  name: string;
  type: string;
  output: boolean;
}

/** The parameters of a procedure, in order. @throws Error when its beginning is not written as that of others */
export function parametersOf({ name, sql }: Pick<BuiltProcedure, "name" | "sql">): Parameter[] {
  const header = HEADER.exec(sql);
  if (header === null) throw new Error(`${name} does not begin as procedures do`);
  return [...(header[1] ?? "").matchAll(/^ {2}@(\w+) (.*?)( OUTPUT)?,?$/gm)].map(([, parameter, type, output]) => ({
    name: parameter ?? "",
    type: type ?? "",
    output: output !== undefined,
  }));
}

/** The body of a procedure as a batch of the same lines. */
export function asBatch(procedure: BuiltProcedure, tableTypes: ReadonlyMap<string, string>): string {
  const declared = parametersOf(procedure).map(({ name, type }) => `DECLARE @${name} ${type};`);
  const header = HEADER.exec(procedure.sql)?.[0] ?? "";
  const lines = ["--", ...declared, ...header.split("\n").slice(declared.length + 1)].slice(
    0,
    header.split("\n").length - 1,
  );
  return procedure.sql
    .replace(HEADER, () => `${lines.map((line) => (line === "AS" ? "--" : line)).join("\n")}\n`)
    .replaceAll(/release\.(\w+)( READONLY)?(?=;)/g, (whole, type: string) =>
      tableTypes.has(type) ? `TABLE ${tableTypes.get(type)}` : whole,
    );
}
