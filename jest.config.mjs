import { spawnSync } from "node:child_process";

/** Tests run from the TypeScript sources; swc strips the types, nothing is type-checked here (npm run lint does). */

/** Tests named *.server.test.ts need a SQL server, which AZURE_SQL_SERVER, _USERNAME and _PASSWORD name. */
const hasServer = (process.env.AZURE_SQL_SERVER ?? "") !== "";
if (!hasServer && process.env.JEST_WORKER_ID === undefined) {
  console.log("tests on a SQL server: skipped, because AZURE_SQL_SERVER is not set (see docs/azure-sql.md)");
}

/** Tests named *.python.test.ts need python3. */
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython && process.env.JEST_WORKER_ID === undefined)
  console.log("tests of the Python worker: skipped, because there is no python3");

// A zone far from UTC, with an odd offset and summer time: what reads local time where UTC is meant fails here, not only at somebody's place.
process.env.TZ = "Pacific/Chatham";

export default {
  testEnvironment: "<rootDir>/test/support/environment.mjs",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  testPathIgnorePatterns: [
    "/node_modules/",
    ...(hasServer ? [] : ["\\.server\\.test\\.ts$"]),
    ...(hasPython ? [] : ["\\.python\\.test\\.ts$"]),
  ],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2024", parser: { syntax: "typescript" } }, module: { type: "es6" }, sourceMaps: "inline" },
    ],
  },
  testTimeout: 60_000,
};
