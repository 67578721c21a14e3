import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";
import { dumpSqlite } from "./dumps.ts";
import { fillSource } from "./filled-source.ts";

/** What `copy` refuses before it asks the target anything: it names a server that is not there. */

/** Nothing listens on port 1. */
const NOWHERE = {
  AZURE_SQL_SERVER: "127.0.0.1",
  AZURE_SQL_PORT: "1",
  AZURE_SQL_DATABASE: "elsewhere",
  AZURE_SQL_USERNAME: "somebody",
  AZURE_SQL_PASSWORD: "not-a-secret",
  AZURE_SQL_CONNECTION_STRING: "",
  AZURE_SQL_TEST_SERVER: "on",
};

describe("copy refuses", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-copy-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const copy = (file: string, words: readonly string[] = [], environment: Record<string, string> = {}) =>
    runFile("src/cli/main.ts", ["copy", "--from", "mock", "--to", "sql", ...words], {
      environment: { ...NOWHERE, AGENT_MOCK_DATABASE: file, ...environment },
    });

  it("a file that is not there, and makes none", async () => {
    const file = join(folder, "missing.db");
    const error = `error: there is no database ${file} (AGENT_MOCK_DATABASE names it)\n`;
    expect(await copy(file)).toEqual({ code: 1, out: "", error });
    expect(existsSync(file)).toBe(false);
  });

  it("a file that is no database of ours, and leaves it as it is", async () => {
    const text = join(folder, "notes.txt");
    await writeFile(
      text,
      "Not a database, but longer than the header of one would be, which is a hundred bytes long. Or so.\n",
    );
    expect(await copy(text)).toEqual({
      code: 1,
      out: "",
      error: `error: ${text} is no database of agent-communication\n`,
    });
    const file = join(folder, "other.db");
    const other = new DatabaseSync(file);
    other.exec("CREATE TABLE recipes (name TEXT)");
    other.close();
    expect(await copy(file)).toEqual({
      code: 1,
      out: "",
      error: `error: ${file} is no database of agent-communication\n`,
    });
    const after = new DatabaseSync(file);
    expect(after.prepare("SELECT name FROM sqlite_schema").all()).toHaveLength(1);
    after.close();
  });

  it("a file that a running process serves", async () => {
    const host = await startLocalHost({}, { database: join(folder, "served.db") });
    try {
      const error = `error: ${host.database} is being served by a running process: stop it first\n`;
      expect(await copy(host.database)).toEqual({ code: 1, out: "", error });
    } finally {
      await host.stop();
    }
  });

  it("while leases are live, and changes nothing", async () => {
    const file = join(folder, "leased.db");
    await fillSource(file, { leased: true });
    const before = await dumpSqlite(file);
    const error = `error: ${file} has 5 leased messages and 3 assigned or running tasks: let them end first, or carry them over with --include-leased\n`;
    expect(await copy(file)).toEqual({ code: 1, out: "", error });
    expect(await dumpSqlite(file)).toEqual(before);
  });

  it("what is encrypted, naming the versions of the keys, and changes nothing", async () => {
    const file = join(folder, "encrypted.db");
    await fillSource(file, { leased: false, encrypted: true });
    const before = await dumpSqlite(file);
    const { code, out, error } = await copy(file);
    expect([code, out]).toEqual([1, ""]);
    expect(error).toMatch(/^error: .* encrypted under the key versions v1, v2: .* --include-encrypted\n$/);
    expect(await dumpSqlite(file)).toEqual(before);
    // Told to take it along, it goes on to the target, which is not there.
    expect((await copy(file, ["--include-encrypted"])).error).toContain("cannot be used now");
  });

  it("a target that cannot be reached, in one line", async () => {
    const file = join(folder, "open.db");
    await fillSource(file, { leased: false });
    const { code, out, error } = await copy(file);
    expect([code, out]).toEqual([1, ""]);
    expect(error).toMatch(/^error: elsewhere on 127\.0\.0\.1: .*cannot be used now.*\n$/);
  });

  it("bad settings, naming them, and other directions", async () => {
    const { code, error } = await copy(join(folder, "open.db"), [], { AZURE_SQL_SERVER: "", AZURE_SQL_DATABASE: "" });
    expect(code).toBe(1);
    expect(error).toMatch(/^error: bad settings: .*AZURE_SQL_SERVER.*AZURE_SQL_DATABASE.*\n$/);
    const wrong = await runFile("src/cli/main.ts", ["copy", "--from", "sql", "--to", "mock"]);
    expect(wrong.code).toBe(2);
    expect(wrong.error).toContain("Allowed choices are mock.");
  });
});
