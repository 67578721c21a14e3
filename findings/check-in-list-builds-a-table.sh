#!/usr/bin/env bash
# SQLite 3.53.4 (node:sqlite of Node 24.21.0, npm package node@24.21.0): a CHECK that compares a column with a list of three or more texts
# (`CHECK (status IN ('a', 'b', 'c'))`) makes every INSERT and UPDATE of that column build a table of the list first: the program of
# the statement opens an ephemeral index and fills it, once per statement. With two texts, or with the same three written as
# comparisons joined by OR, it does not. One would have sworn that a list of constants in a CHECK is compared in place.
# It cost a statement of ours with several such columns two thirds of its time (docs/performance.md).
#
# Exits 0 while that is so, 1 when the behaviour has changed, 2 when it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null || exit 2
cat >try.mjs <<'JS'
import { DatabaseSync } from "node:sqlite";

const checks = {
  "IN with three texts": "status IN ('ready', 'busy', 'done')",
  "IN with two texts": "status IN ('ready', 'busy')",
  "three comparisons with OR": "status = 'ready' OR status = 'busy' OR status = 'done'",
};
const built = Object.entries(checks).map(([name, check]) => {
  const database = new DatabaseSync(":memory:");
  database.exec(`CREATE TABLE jobs (id INTEGER PRIMARY KEY, status TEXT NOT NULL CHECK (${check}))`);
  const program = database.prepare("EXPLAIN UPDATE jobs SET status = ? WHERE id = ?").all("busy", 1);
  return [name, program.some(({ opcode }) => opcode === "OpenEphemeral")];
});
console.log(`Node ${process.version}, SQLite ${process.versions.sqlite}`);
for (const [name, table] of built) console.log(`${name}: ${table ? "a table is built" : "compared in place"}`);
process.exitCode = JSON.stringify(built.map(([, table]) => table)) === "[true,false,false]" ? 0 : 1;
JS
node_modules/node/bin/node --no-warnings try.mjs
