import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../../src/lib/config/config.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";

/** Opens a store in mode mock and prints which packages of the driver were loaded for it. */
const folder = mkdtempSync(join(tmpdir(), "agents-"));
const store = await openStore(readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") }));
await store.close();
rmSync(folder, { recursive: true });
const loaded = Object.keys(createRequire(import.meta.url).cache);
const packages = ["mssql", "tedious", "@azure/identity"];
console.log(JSON.stringify(packages.filter((name) => loaded.some((path) => path.includes(`/node_modules/${name}/`)))));
