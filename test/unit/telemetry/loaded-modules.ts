import { mkdtempSync, rmSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts telemetry and services by the variables of the environment, and prints which packages of it were loaded. */
const loaded = new Set<string>();
registerHooks({
  load(url, context, next) {
    loaded.add(url);
    return next(url, context);
  },
});
const { systemClock } = await import("../../../src/lib/model/clock.ts");
const { readConfig } = await import("../../../src/lib/config/config.ts");
const { lineLog } = await import("../../../src/lib/trace/log.ts");
const { createServices } = await import("../../../src/lib/services.ts");
const { openStore } = await import("../../../src/lib/store/open-store.ts");
const { openTelemetry } = await import("../../../src/lib/telemetry/open.ts");
await import("../../../src/functions/route-table.ts");
await import("../../../src/local/server.ts");

const folder = mkdtempSync(join(tmpdir(), "agents-"));
const config = readConfig({ ...process.env, AGENT_MOCK_DATABASE: join(folder, "agents.db") });
const telemetry = await openTelemetry(config.telemetry, systemClock, lineLog(console.error));
const store = await openStore(config);
createServices({ config, clock: systemClock, store, telemetry });
await telemetry?.stop();
await store.close();
rmSync(folder, { recursive: true });
const files = [...loaded, ...Object.keys(createRequire(import.meta.url).cache)];
const packages = [
  "@opentelemetry/api",
  "@opentelemetry/sdk-trace",
  "@opentelemetry/exporter-trace-otlp-http",
  "@opentelemetry/exporter-trace-otlp-proto",
  "@azure/monitor-opentelemetry-exporter",
  "@azure/identity",
];
console.log(JSON.stringify(packages.filter((name) => files.some((file) => file.includes(`/node_modules/${name}/`)))));
