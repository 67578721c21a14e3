import { spawnSync } from "node:child_process";

/**
 * npm run test:sql [-- jest options]: the store contract on SQLite and on the server that AZURE_SQL_* name, and every test
 * that needs a server. Makes databases named agent_communication_test_… on it, and drops them.
 */

if (process.env.AZURE_SQL_SERVER === undefined) {
  console.error(
    "test:sql needs a server: set AZURE_SQL_SERVER, AZURE_SQL_USERNAME and AZURE_SQL_PASSWORD (docs/azure-sql.md)",
  );
  process.exit(1);
}
const jest = [
  "--experimental-vm-modules",
  "node_modules/jest/bin/jest.js",
  "test/contract",
  "test/system/azure-sql",
  "test/unit/store/mssql",
  "test/static/t-sql",
  "\\.server\\.test\\.ts$",
];
const { status } = spawnSync(process.execPath, [...jest, ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(status ?? 1);
