import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { helpIfAsked } from "./help.ts";

/**
 * The HTTP contract suite against any host: `npm run test:http -- --url http://127.0.0.1:7071/api`. Without --url it
 * starts a local host of its own. Agents and messages that it makes have names of their own and stay behind.
 */
helpIfAsked(
  "npm run test:http [-- --url http://127.0.0.1:7071/api]: the HTTP contract suite; without --url on a host of its own.",
);
const { values, positionals } = parseArgs({ options: { url: { type: "string" } }, allowPositionals: true });
const jest = [
  "--experimental-vm-modules",
  "node_modules/jest/bin/jest.js",
  "test/hosts/http/contract.test.ts",
  ...positionals,
];
const env = values.url === undefined ? process.env : { ...process.env, AGENT_TEST_URL: values.url };
const run = spawnSync(process.execPath, jest, { stdio: "inherit", env });
process.exit(run.status ?? 1);
