import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { buildProcedure, inSlot, readRelease, SLOTS } from "../../../src/lib/store/mssql/procedure-files.ts";
import { calledProcedures } from "../../../src/lib/store/mssql/procedures.ts";
import { settingInputs } from "../../../src/lib/store/mssql/setting-inputs.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { ROOT, sourcesIn } from "../style/sources.ts";

/** The files of the procedures: who calls them, how long they are, and that their numbers are those of the code. */

const FOLDER = "src/lib/store/mssql";
const release = readRelease();
const sources = sourcesIn(`${FOLDER}/procedures`, ".sql");
/** Longer ones cannot be read in one go. */
const LINES_MAX = 200;

/** Every procedure or part that a text calls or includes. */
const executed = new Set(
  release.procedures.flatMap(({ sql }) =>
    [...sql.matchAll(/\bEXEC (?:@\w+ = )?release\.(\w+)/g)].map(([, name]) => name),
  ),
);

describe("the procedures", () => {
  beforeAll(async () => {
    const modules = readdirSync(join(ROOT, FOLDER)).filter((name) => name.endsWith(".ts"));
    for (const name of modules) await import(pathToFileURL(join(ROOT, FOLDER, name)).href);
  });

  it("are there for every call, and each is called", () => {
    const there = release.procedures.map(({ name }) => name);
    const called = [...calledProcedures(), ...executed, "this_release", "use_release"];
    expect(there.filter((name) => !called.includes(name))).toEqual([]);
    expect([...calledProcedures(), ...executed].filter((name) => !there.includes(name ?? ""))).toEqual([]);
    expect(there.length).toBeGreaterThan(90);
  });

  it("are called what their files are called", () => {
    for (const { name, sql } of release.procedures)
      expect(sql).toMatch(new RegExp(`^CREATE PROCEDURE release\\.${name}$`, "m"));
  });

  it("begin with a comment that says what they do", () => {
    const without = sources.filter(({ path, text }) => !path.endsWith("types.sql") && !text.startsWith("-- "));
    expect(without.map(({ path }) => path)).toEqual([]);
  });

  it("take the clock's offset where they read the time", () => {
    const reading = release.procedures.filter(({ sql }) => /SYSUTCDATETIME|@clockOffset\b(?! bigint)/.test(sql));
    expect(reading.length).toBeGreaterThan(60);
    expect(reading.filter(({ parameters }) => !parameters.includes("clockOffset"))).toEqual([]);
  });

  it("take what they are given, and are given what they take", () => {
    const code = sourcesIn(FOLDER).map(({ text }) => text);
    const called = release.procedures.filter(({ name }) => calledProcedures().has(name));
    const known = new Set(["items", "clockOffset", ...Object.keys(settingInputs(CALM_SETTINGS))]);
    const unknown = called.flatMap(({ name, parameters }) =>
      parameters
        .filter((one) => !known.has(one) && !code.some((text) => new RegExp(`(?<![@\\w])${one}\\b`).test(text)))
        .map((one) => [name, one]),
    );
    expect(unknown).toEqual([]);
  });

  it(`have at most ${LINES_MAX} lines in a file`, () => {
    const long = sources.filter(({ text }) => text.split("\n").length - 1 > LINES_MAX);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it("are ASCII: there are servers that count bytes where they mean characters", () => {
    const others = sources.filter(({ text }) => /[^\n\x20-\x7e]/.test(text));
    expect(others.map(({ path }) => path)).toEqual([]);
  });

  it("undo everything after an error, where they write", () => {
    const writing = release.procedures.filter(({ sql }) =>
      /\bBEGIN TRANSACTION\b|\b(?:INTO|UPDATE|FROM) audit\.|^\s*(?:INSERT INTO|UPDATE|DELETE.*FROM) dbo\./m.test(sql),
    );
    expect(writing.length).toBeGreaterThan(40);
    expect(
      writing
        .filter(
          ({ sql }) =>
            !/^SET .*XACT_ABORT ON;$/m.test(sql) && /BEGIN TRANSACTION|INSERT INTO dbo|INSERT INTO audit/.test(sql),
        )
        .map(({ name }) => name),
    ).toEqual([]);
  });

  it("include every part that there is", () => {
    const included = new Set(release.procedures.flatMap(({ files }) => files));
    const parts = readdirSync(join(ROOT, FOLDER, "procedures/parts")).map((name) => `parts/${name}`);
    expect(parts.filter((part) => !included.has(part))).toEqual([]);
  });

  it("declare no table that they do not use: each costs a millisecond on some servers", () => {
    const idle = release.procedures.flatMap(({ name, sql }) => {
      const text = sql.replaceAll(/--.*$/gm, "");
      const tables = [...text.matchAll(/\bDECLARE (@\w+) (?:TABLE|release\.)/g)].map(([, table = ""]) => table);
      return tables.filter((one) => text.split(new RegExp(`${one}\\b`)).length < 3).map((one) => `${name}: ${one}`);
    });
    expect(idle).toEqual([]);
  });

  it("roll back only what they have begun: elsewhere that is error 3903", () => {
    const found = release.procedures.flatMap(({ name, sql }) => {
      let open = false;
      return sql
        .replaceAll(/--.*$/gm, "")
        .split("\n")
        .flatMap((line) => {
          if (/\bBEGIN TRANSACTION\b/.test(line)) open = true;
          const lost = /\bROLLBACK TRANSACTION\b/.test(line) && !open && !/@@TRANCOUNT > 0/.test(line);
          if (/\bCOMMIT TRANSACTION\b/.test(line)) open = false;
          return lost ? [`${name}: ${line.trim()}`] : [];
        });
    });
    // Its rollback is the other branch of the one that commits.
    expect(found).toEqual(["hand_out_sources: ROLLBACK TRANSACTION;"]);
  });

  it("put no text together and run it", () => {
    const found = release.procedures.filter(({ sql }) => /\bEXEC(UTE)?\s*\(|sp_executesql/i.test(sql));
    expect(found.map(({ name }) => name)).toEqual([]);
  });
});

describe("a number with a name", () => {
  /** Every numeric constant of the code, by name; undefined where two of that name differ. */
  const constants = new Map<string, number | undefined>();

  beforeAll(async () => {
    const modules = [...sourcesIn("src/lib")].filter(({ path }) => path.endsWith(".ts"));
    for (const { path } of modules) {
      const exports = await import(pathToFileURL(join(ROOT, path)).href);
      for (const [name, value] of Object.entries(exports)) {
        if (typeof value !== "number") continue;
        constants.set(name, constants.has(name) && constants.get(name) !== value ? undefined : value);
      }
    }
  }, 60_000);

  it("is that of the constant", () => {
    const named = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/([\d.]+) \/\* ([A-Z_]+) \*\//g)].map(([, value, name]) => ({
        path,
        name: name ?? "",
        value: Number(value),
      })),
    );
    expect(named.length).toBeGreaterThan(20);
    const wrong = named.filter(({ name, value }) => constants.get(name) !== value);
    expect(wrong.filter(({ name }) => constants.has(name))).toEqual([]);
    // Of the T-SQL alone: the same wherever it stands.
    const values = new Map(wrong.map(({ name, value }) => [name, value]));
    expect(wrong.filter(({ name, value }) => values.get(name) !== value)).toEqual([]);
  });
});

describe("a built procedure", () => {
  it("knows the file and line of each of its lines", () => {
    const { lines, sql, files } = buildProcedure("start-tasks.sql");
    const texts = sql.trimEnd().split("\n");
    expect(lines).toHaveLength(texts.length);
    expect(files).toContain("parts/prologue.sql");
    for (const [place, { file, line }] of lines.entries()) {
      const text = readFileSync(join(ROOT, FOLDER, "procedures", file), "utf8").split("\n")[line - 1];
      expect(texts[place]).toBe(text);
    }
  });

  it("says what the open names of its parts are, and their comments are left", () => {
    const { sql } = buildProcedure("time-out-tasks.sql");
    expect(sql).toContain("'timed_out' AS outcome, N'TIMED_OUT' AS error");
    expect(sql).toMatch(/FROM @overdue_tasks AS x JOIN dbo\.tasks AS t ON t\.task_no = x\.task_no WHERE t\.status IN/);
    expect(sql).toContain("-- $(attempts): their tasks");
    expect(() => buildProcedure("parts/lose-attempts.sql")).toThrow("does not say what $(");
  });

  it("stands in its slot with all that it calls", () => {
    for (const slot of SLOTS) {
      const sql = inSlot(buildProcedure("complete-tasks.sql").sql, slot, release.hash);
      expect(sql).toContain(`CREATE PROCEDURE ${slot}.complete_tasks`);
      expect(sql).toContain(`EXEC @handedOut = ${slot}.hand_out `);
      expect(sql).not.toMatch(/\brelease\.[a-z]/);
    }
    expect(inSlot(buildProcedure("this-release.sql").sql, "release_b", "abc")).toContain(
      "SELECT 'release_b' AS slot, 'abc' AS hash;",
    );
  });
});
