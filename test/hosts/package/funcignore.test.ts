import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { keptFiles, ROOT } from "../../static/style/sources.ts";

/** .funcignore is read as Git reads .gitignore, so Git is asked. */
function ignored(paths: readonly string[]): string[] {
  const scratch = mkdtempSync(join(tmpdir(), "agent-communication-"));
  try {
    execFileSync("git", ["init", "--quiet"], { cwd: scratch });
    copyFileSync(join(ROOT, ".funcignore"), join(scratch, ".gitignore"));
    const options = { cwd: scratch, input: paths.join("\n"), encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync("git", ["check-ignore", "--no-index", "--stdin"], options);
    // 1: none is ignored.
    if (status !== 0 && status !== 1) throw new Error(stderr);
    return stdout.split("\n").filter((path) => path !== "");
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function sent(paths: readonly string[]): string[] {
  const out = new Set(ignored(paths));
  return paths.filter((path) => !out.has(path));
}

describe(".funcignore", () => {
  it("sends of the repository only what the host reads", () => {
    expect(sent(keptFiles()).sort()).toEqual(["host.json", "package.json"]);
  });

  it("sends the build and what it needs, whatever its folders are called", () => {
    const needed = [
      "dist/functions/main.js",
      "dist/lib/store/mssql/migrations/0001_initial.sql",
      "node_modules/debug/src/index.js",
      "node_modules/some-package/test/index.js",
      "node_modules/@azure/functions/package.json",
    ];
    expect(sent(needed)).toEqual(needed);
  });

  it("never sends settings, databases or what tools leave behind", () => {
    const kept = [
      "local.settings.json",
      ".env",
      ".data/agents.db",
      "agents.db-wal",
      ".azurite/__azurite_db_blob__.json",
      ".git/config",
      "out/package.zip",
      "dist/local/main.js",
    ];
    expect(sent(kept)).toEqual([]);
  });

  it("leaves the package of npm run package whole", () => {
    const packaged = [
      "main.js",
      "chunk-ABCDEFGH.js",
      "host.json",
      "package.json",
      "lib/store/mssql/migrations/0001_initial.sql",
    ];
    expect(sent(packaged)).toEqual(packaged);
  });
});
