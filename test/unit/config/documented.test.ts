import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { readConfig } from "../../../src/lib/config/config.ts";
import { readSource, sourcesIn, withoutComments } from "../../static/style/sources.ts";

/** Every setting that is read is in the example file and in the table of settings, and the example is a good one. */

const code = sourcesIn("src/lib/config")
  .filter(({ path }) => !path.endsWith("/setting-names.ts"))
  .map(({ text }) => withoutComments(text))
  .join("\n");
const read = [...new Set(code.match(/\b(?:AGENT|AZURE_SQL|AZURE_CLIENT|AZURE_TENANT)_[A-Z_]*[A-Z]\b/g))];

const words = z.record(z.string(), z.string());
const example = z.object({ Values: words, _comments: words });
const { Values, _comments } = example.parse(JSON.parse(readSource("local.settings.json.example").text));
const table = readSource("docs/operations.md").text;

describe("settings", () => {
  it("are found in the source", () => {
    expect(read.length).toBeGreaterThan(25);
    expect(read).toEqual(expect.arrayContaining(["AGENT_HTTP_PORT", "AZURE_SQL_CONNECTION_STRING"]));
  });

  it.each(read)("%s is in the example, with a word on it, and in docs/operations.md", (name) => {
    expect(Object.keys(Values)).toContain(name);
    expect(_comments[name]).toMatch(/\w{3}/);
    expect(table).toContain(`\`${name}\``);
  });

  it("of the example are good ones", () => {
    expect(readConfig(Values)).toMatchObject({ mode: "mock" });
    const sql = { AGENT_COMMUNICATION_MODE: "sql", AZURE_SQL_SERVER: "db.example.net", AZURE_SQL_DATABASE: "agents" };
    expect(readConfig({ ...Values, ...sql }).sql?.server).toBe("db.example.net");
    const text = {
      AGENT_COMMUNICATION_MODE: "sql",
      AZURE_SQL_CONNECTION_STRING: "Server=db.example.net;Database=agents",
    };
    expect(readConfig({ ...Values, ...text }).sql?.server).toBe("db.example.net");
  });
});
