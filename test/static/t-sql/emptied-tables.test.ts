import { describe, expect, it } from "@jest/globals";
import { migrationScript } from "../../../src/lib/store/mssql/migrate.ts";
import { EMPTIED_TABLES } from "../../contract/mssql-under-test.ts";

/** Their rows are there from the migrations on; what tests change in them is set back. */
const KEPT = ["audit.policy", "dbo.counters", "dbo.releases", "dbo.schema_migrations", "dbo.usage_totals"];

describe("the store under test on a server", () => {
  it("empties every table between two tests, or keeps its rows on purpose", () => {
    const tables = [...migrationScript().matchAll(/^CREATE TABLE ([a-z]+\.[a-z_]+) \(\n([\s\S]*?)^\);/gm)];
    expect(tables.length).toBeGreaterThan(30);
    const left = tables.flatMap(([, table = "", body = ""]) => (body.includes("ON DELETE CASCADE") ? [] : [table]));
    const known = new Set([...KEPT, ...EMPTIED_TABLES]);
    expect(left.filter((table) => !known.has(table))).toEqual([]);
  });
});
