import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/index.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

const WORKER = fileURLToPath(new URL("./hostile-worker.ts", import.meta.url));
const WITHOUT_TEXT = "a value without a message was thrown";

/** Task types, and what the task's error says. */
const THROWN: Record<string, string | RegExp> = {
  null: "null",
  undefined: "undefined",
  symbol: "Symbol(odd)",
  function: /=>/,
  empty: WITHOUT_TEXT,
  "no-prototype": WITHOUT_TEXT,
  revoked: WITHOUT_TEXT,
  "message-object": "[object Object]",
  "message-symbol": "Symbol(m)",
  "message-getter": WITHOUT_TEXT,
  "to-string": WITHOUT_TEXT,
  huge: "\u20ac".repeat(1_300),
  surrogates: "\ufffd half",
  permanent: "for good",
  "then-getter": /JSON/,
};
const REFUSED = ["circular", "bigint", "not-a-number", "function-result", "to-json", "large-result", "huge-result"];

describe("a worker whose user code does everything that might end it", () => {
  let host: LocalHost;
  let client: AgentClient;
  beforeAll(async () => {
    host = await startLocalHost({ AGENT_HEARTBEAT_INTERVAL: "0.5", AGENT_HEARTBEAT_TIMEOUT: "60" });
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
  });
  afterAll(async () => {
    await host?.stop();
  });

  it("goes on, and says of every task and message what went wrong", async () => {
    const child = childOfTest(
      spawn(process.execPath, [WORKER, host.baseUrl, "odd"], { stdio: ["ignore", "inherit", "pipe"] }),
    );
    let printed = "";
    child.stderr.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    try {
      const assign = async (taskType: string) =>
        client.assignTask({ supervisor: "lead", taskType, requiredCapabilities: ["odd"], maxRetries: 0 });
      const ended = async (taskType: string) => {
        const { taskId } = await assign(taskType);
        const task = await until(`${taskType}: ended`, async () => {
          const found = await client.getTask(taskId);
          return (found.status === "failed" || found.status === "completed") && found;
        });
        return task;
      };
      for (const [taskType, says] of Object.entries(THROWN)) {
        const task = await ended(taskType);
        expect([taskType, task.status, task.error]).toEqual([
          taskType,
          "failed",
          typeof says === "string" ? says : expect.stringMatching(says),
        ]);
      }
      for (const taskType of REFUSED) {
        const task = await ended(taskType);
        expect([taskType, task.error]).toEqual([taskType, expect.stringContaining("the result was refused")]);
      }
      const message = { sender: "lead", receiver: "odd", type: "query", maxAttempts: 1 };
      for (const payload of ["revoked", "permanent", "circular"]) {
        const { messageId } = await client.sendMessage({ ...message, payload });
        const wanted = payload === "circular" ? "completed" : "dead_lettered";
        await until(wanted, async () => (await client.getMessage(messageId)).status === wanted);
      }
      const { taskId } = await assign("wait");
      await until("running", async () => (await client.getTask(taskId)).status === "running");
      await client.cancelTask(taskId);
      await until("woken", async () => (await client.getTask(taskId)).result === "woken");
      expect([child.exitCode, printed.replaceAll(/\(node:\d+\) \w*Warning[^\n]*\n|\(Use[^\n]*\n/g, "")]).toEqual([
        null,
        "",
      ]);
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      expect((await exited)[0]).toBe(7);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
