import { expect, it } from "@jest/globals";
import { sourcesIn } from "../style/sources.ts";
import { NO_DOTNET, parse } from "../t-sql/tsql-parser.ts";

/** The scripts of infra/sql are T-SQL, once sqlcmd has put in its variables. */

const scripts = sourcesIn("infra/sql", ".sql");

/** As sqlcmd would have it with sound values. */
function filled(text: string): string {
  return text.replaceAll("$(clientId)", "40000000-0000-0000-0000-000000000004").replaceAll(/\$\(\w+\)/g, "a_name");
}

it("there are four scripts", () => {
  expect(scripts.map(({ path }) => path.split("/").at(-1))).toEqual([
    "entra-principal.sql",
    "managed-identity.sql",
    "roles.sql",
    "sql-principal.sql",
  ]);
});

if (NO_DOTNET === undefined) {
  it("they are T-SQL", () => {
    const parsed = parse(new Map(scripts.map(({ path, text }) => [path, filled(text)])));
    expect(
      parsed.flatMap(({ name, errors }) => errors.map(({ line, message }) => `${name}:${line}: ${message}`)),
    ).toEqual([]);
  });
} else it("they are T-SQL", () => console.log(`the scripts of infra/sql: ${NO_DOTNET}`));
