import {
  type BuiltProcedure,
  PROCEDURE_HEADER as HEADER,
  type Release,
} from "../../../src/lib/store/mssql/procedure-files.ts";

/** Procedures as the checks read them: as a batch, with parameters as variables and table types written out. */

/** The columns of the table types of a release, by name: "(agent_no int NOT NULL PRIMARY KEY)". */
export function tableTypesOf({ types }: Pick<Release, "types">): Map<string, string> {
  const found = types.map((text) => /CREATE TYPE release\.(\w+) AS TABLE (\([\s\S]*\));/.exec(text));
  return new Map(found.flatMap((match) => (match === null ? [] : [[match[1] ?? "", match[2] ?? ""]])));
}

/** The parameters of a procedure with their types: "@items nvarchar(max)". @throws Error when it does not begin as others do */
function declarationsOf({ name, sql }: Pick<BuiltProcedure, "name" | "sql">): string[] {
  const header = HEADER.exec(sql);
  if (header === null) throw new Error(`${name} does not begin as procedures do`);
  return [...(header[1] ?? "").matchAll(/^ {2}(@\w+ .*?)(?: OUTPUT)?,?$/gm)].map(([, declaration = ""]) => declaration);
}

/** The body of a procedure without its beginning: a batch whose inputs are the parameters. (Only where it calls no other.) */
export function bodyOf({ sql }: Pick<BuiltProcedure, "sql">): string {
  return sql
    .slice((HEADER.exec(sql)?.index ?? 0) + (HEADER.exec(sql)?.[0].length ?? 0))
    .replaceAll("RETURN 1;", "RETURN;");
}

/** The body of a procedure as a batch of the same lines. */
export function asBatch(procedure: BuiltProcedure, tableTypes: ReadonlyMap<string, string>): string {
  const declared = declarationsOf(procedure).map((declaration) => `DECLARE ${declaration};`);
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
