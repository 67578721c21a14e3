import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "@jest/globals";
import { childOfTest } from "../../support/child-of-test.ts";

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const OPEN_STORE = new URL("../../../src/lib/store/open-store.ts", import.meta.url).href;
const CONFIG = new URL("../../../src/lib/config/config.ts", import.meta.url).href;
const SCRIPT = `
  import { readConfig } from ${JSON.stringify(CONFIG)};
  import { openStore } from ${JSON.stringify(OPEN_STORE)};
  const store = await openStore(readConfig(process.env));
  await store.registerAgent({ agentId: "agent-" + process.pid, role: "worker", capabilities: [], maxConcurrentTasks: 1 });
  await store.close();
`;

/** Opens the store in a process of its own. @returns what it printed as errors; empty when all went well */
function openInProcess(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = childOfTest(
      spawn(process.execPath, ["--input-type=module", "--eval", SCRIPT], {
        cwd: fileURLToPath(new URL("../../..", import.meta.url)),
        env: { ...process.env, AGENT_MOCK_DATABASE: file },
        stdio: ["ignore", "ignore", "pipe"],
      }),
    );
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0 ? "" : errors));
  });
}

describe("a new file", () => {
  it("is opened by several processes at once", async () => {
    // The switch to WAL was refused in about one of twenty rounds before it was tried again.
    for (let round = 0; round < 12; round += 1) {
      const file = join(folder, `round-${round}.db`);
      const errors = await Promise.all([1, 2, 3].map(() => openInProcess(file)));
      expect(errors).toEqual(["", "", ""]);
    }
  });
});
