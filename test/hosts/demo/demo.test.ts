import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Finished, runFile } from "../../support/run-process.ts";
import { makeSampleFolder } from "./sample-folder.ts";

/** The demo as a user runs it, on a folder whose faults are known: every number of its report can be counted by hand. */
describe("the demo", () => {
  let folder: string;
  let cwd: string;
  let finished: Finished;
  let report: string;
  let log: string;

  beforeAll(async () => {
    folder = await makeSampleFolder();
    cwd = await mkdtemp(join(tmpdir(), "agent-communication-demo-test-"));
    finished = await runFile("demo/main.ts", [folder, "--out", "found.md"], { cwd, milliseconds: 110_000 });
    report = await readFile(join(cwd, "found.md"), "utf8").catch(() => "");
    log = await readFile(join(cwd, "agent_communication_demo.log"), "utf8").catch(() => "");
  }, 120_000);
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await rm(cwd, { recursive: true, force: true });
  });

  it("completes every task, though one worker is killed in the middle of one", () => {
    expect([finished.code, finished.error]).toEqual([0, ""]);
    const killed = /killed (\w+) \(process \d+\) in the middle of duplicates/.exec(finished.out)?.[1];
    expect(killed).toBeDefined();
    expect(finished.out).toContain("all 8 tasks completed, duplicates by another worker");
    const attempts = /^\| duplicates \| completed \| (\w+): agent_inactive after [\d.]+ s; (\w+): completed/m.exec(
      report,
    );
    expect(attempts?.[1]).toBe(killed);
    expect(attempts?.[2]).not.toBe(killed);
  });

  it("writes what it showed to its log, with times", () => {
    const shown = finished.out.trim().split("\n");
    const logged = log.trim().split("\n");
    expect(logged).toHaveLength(shown.length);
    for (const line of logged) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \w+ /);
  });

  it("counts right", () => {
    const count = (name: string) =>
      Number(
        report
          .split("\n")
          .find((line) => line.startsWith(`| ${name} |`))
          ?.split("|")[2],
      );
    // 12 files outside node_modules and dist; README 12 lines, one 8, two 8, package.json 1, a 7, b 2, types 2, other 2, copies 1 each.
    expect(count("files")).toBe(12);
    expect(count("lines of text")).toBe(44);
    expect(count("relative links checked")).toBe(7);
    expect(count("**broken links**")).toBe(4);
    expect(count("**imports of undeclared packages**")).toBe(1);
    expect(count("**imports of files that are not there**")).toBe(1);
    expect(count("**circles of imports**")).toBe(1);
    expect(count("declared packages that nothing mentions")).toBe(1);
    expect(count("files that copy another one")).toBe(1);
    expect(count("passages that repeat another one")).toBe(1);
    expect(count("sentences of more than 40 words")).toBe(1);
  });

  it("names each finding and its place", () => {
    expect(report).toContain("| `README.md:4` | `docs/attic.md` | no such file |");
    expect(report).toContain("| `README.md:4` | `docs/one.md#the-roof` | no such heading |");
    expect(report).toContain("| `README.md:4` | `no plan.png` | no such file |");
    expect(report).toContain("| `README.md:12` | `docs/missing.md` | no such file |");
    expect(report).toContain("1 links to the web and 1 to places above the folder were not");
    expect(report).toContain("| `src/a.js:3` | `ghost-pkg` |");
    expect(report).toContain("| `src/a.js:5` | `./gone.js` |");
    expect(report).toContain("- `src/a.js`, `src/b.js`");
    expect(report).toContain("| `package.json` | house | 2 | 1 | `never-used` |");
    expect(report).toContain("- 15 bytes: `copy-1.txt`, `copy-2.txt`");
    expect(report).toMatch(/\| `docs\/one\.md:5` \| `docs\/two\.md:5` \| 4 \| 385 \|/);
    expect(report).toContain("| `docs/two.md:3` | 45 | One more more");
    expect(report).toContain("Empty: `empty.txt`.");
  });

  it("says what it skipped", () => {
    expect(report).toContain("- folders: `dist`, `node_modules`");
    expect(report).toContain("- 1 symbolic links");
  });

  it("does the same where every process is asked for its credential", async () => {
    const options = { cwd, milliseconds: 110_000 };
    const asked = await runFile("demo/main.ts", [folder, "--out", "asked.md", "--credentials"], options);
    expect([asked.code, asked.error]).toEqual([0, ""]);
    expect(asked.out).toContain("all 8 tasks completed, duplicates by another worker");
    expect(asked.out).not.toContain("no credentials required");
    expect(asked.out).not.toContain("agt_");
    const made = (text: string) => text.split("## How this report was made")[0];
    expect(made(await readFile(join(cwd, "asked.md"), "utf8"))).toBe(made(report));
  }, 120_000);

  it("--help says how to use it, and a wrong option does as well", async () => {
    const help = await runFile("demo/main.ts", ["--help"], { cwd });
    expect([help.code, help.out, help.error]).toEqual([0, expect.stringContaining("Usage: npm run demo"), ""]);
    const wrong = await runFile("demo/main.ts", ["--fast"], { cwd });
    expect([wrong.code, wrong.out]).toEqual([2, ""]);
    expect(wrong.error).toMatch(/'--fast'[\s\S]*Usage: npm run demo/);
  });

  it("refuses a folder that is not there", async () => {
    const { code, error } = await runFile("demo/main.ts", [join(folder, "nothing")], { cwd });
    expect([code, error]).toEqual([2, expect.stringContaining("is not a folder")]);
  });
});
