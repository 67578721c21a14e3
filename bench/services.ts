import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../src/lib/config/config.ts";
import { systemClock } from "../src/lib/model/clock.ts";
import { createServices, type Services } from "../src/lib/services.ts";
import { openStore } from "../src/lib/store/open-store.ts";

/** A folder for database files, removed at exit. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "agent-communication-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The domain on a store of its own, as an embedding program would make it. */
export async function openServices(file: string): Promise<Services> {
  const config = readConfig({
    AGENT_MOCK_DATABASE: file,
    AGENT_HEARTBEAT_INTERVAL: "3600",
    AGENT_MAX_MAILBOX: "1000000",
  });
  return createServices({ config, clock: systemClock, store: await openStore(config) });
}

/** 200 bytes of JSON. */
export const PAYLOAD = { text: "x".repeat(189) };
