import { client } from "./settings.ts";

/**
 * Whether the service and its parts work; the exit code says it to a script.
 *
 * node examples/health-check.ts
 */

const { status, checks } = await client.health();
console.log(`service: ${status}`);
for (const [check, passed] of Object.entries(checks)) console.log(`${passed ? "ok  " : "FAIL"} ${check}`);
process.exitCode = status === "healthy" ? 0 : 1;
