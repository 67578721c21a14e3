import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { type LocalHost, startLocalHost, stopProcess } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";
import { startRequiredProcess } from "../../support/required-process.ts";

const FILE = fileURLToPath(new URL("../../../examples/python/worker.py", import.meta.url));
/** So many words that the worker reports progress 125 times: there is time to interrupt it. */
const LONG = { text: "x ".repeat(125_000) };

/** A worker that knows nothing of our client: it stands for any language that has HTTP and JSON. */
describe("the Python worker", () => {
  let host: LocalHost;
  let client: AgentClient;
  let output = "";

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
  });
  afterAll(() => host?.stop());

  async function start(agentId: string, settings: Record<string, string> = {}): Promise<ChildProcess> {
    output = "";
    const environment = {
      ...process.env,
      AGENT_COMMUNICATION_URL: host.baseUrl,
      PYTHONDONTWRITEBYTECODE: "1",
      ...settings,
    };
    const child = childOfTest(
      spawn("python3", [FILE, agentId], { env: environment, stdio: ["ignore", "pipe", "pipe"] }),
    );
    const read = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    await until(`${agentId} is ready`, () => output.includes("ready"));
    return child;
  }

  async function assign(taskId: string, parameters: { text: string } | { words: number }, assignTo: string) {
    await client.assignTask({
      supervisor: "lead",
      taskId,
      taskType: "count-words",
      parameters,
      assignTo,
      maxRetries: 1,
    });
  }

  async function halfDone(taskId: string): Promise<void> {
    await until(`${taskId} has begun`, async () => ((await client.getTask(taskId)).percent ?? 0) > 0);
  }

  it("registers, does a task, and ends in good order at SIGTERM", async () => {
    const worker = await start("py-1");
    await assign("words-1", { text: "to be or not to be" }, "py-1");
    expect(await client.waitForTask("words-1")).toMatchObject({ status: "completed", result: { words: 6 } });
    expect((await client.getAgent("py-1")).capabilities).toEqual(["count-words"]);
    expect(await stopProcess(worker)).toBe(0);
    expect((await client.getAgent("py-1")).status).toBe("draining");
  });

  it("fails an attempt with the handler's error, and the task is tried again", async () => {
    const worker = await start("py-2");
    await client.assignTask({
      supervisor: "lead",
      taskId: "words-2",
      taskType: "count-words",
      parameters: {},
      assignTo: "py-2",
      maxRetries: 0,
    });
    expect(await client.waitForTask("words-2")).toMatchObject({ status: "failed", error: "KeyError: 'text'" });
    await stopProcess(worker);
  });

  it("confirms a cancel that comes while it works", async () => {
    const worker = await start("py-3");
    await assign("words-3", LONG, "py-3");
    await halfDone("words-3");
    await client.cancelTask("words-3", "no longer needed");
    expect(await client.waitForTask("words-3")).toMatchObject({ status: "cancelled" });
    await stopProcess(worker);
  });

  it("killed while it works, it gives the attempt back when it starts again, and does the next", async () => {
    const worker = await start("py-4");
    await assign("words-4", LONG, "py-4");
    await halfDone("words-4");
    const ended = once(worker, "exit");
    worker.kill("SIGKILL");
    await ended;
    const next = await start("py-4");
    // Its backoff is 5 s or more; the next attempt comes by itself.
    const task = await client.waitForTask("words-4");
    expect(task).toMatchObject({ status: "completed", attempt: 2, result: { words: 125_000 } });
    // It said so itself: nobody had to wait until the deadline.
    expect((await client.getAgent("py-4")).performance).toMatchObject({ completed: 1, failed: 1, lost: 0 });
    await stopProcess(next);
  }, 60_000);

  it("registers again when it was deregistered, and goes on", async () => {
    const worker = await start("py-5");
    await client.deregisterAgent("py-5");
    await until("py-5 is back", async () => (await client.getAgent("py-5")).status === "active");
    await assign("words-5", { text: "again" }, "py-5");
    expect(await client.waitForTask("words-5")).toMatchObject({ status: "completed" });
    await stopProcess(worker);
  }, 60_000);

  it("delivers its result to a server that was killed meanwhile", async () => {
    const worker = await start("py-6");
    await assign("words-6", LONG, "py-6");
    await halfDone("words-6");
    host.process.kill("SIGKILL");
    await once(host.process, "exit");
    host = await startLocalHost({ AGENT_HTTP_PORT: String(host.port) }, { database: host.database });
    expect(await client.waitForTask("words-6")).toMatchObject({ status: "completed", attempt: 1 });
    await stopProcess(worker);
  }, 60_000);

  it("ends when its credential is taken away, and does not ask on", async () => {
    // The next heartbeat meets the refusal, not the end of a poll of 20 s.
    const required = await startRequiredProcess({ AGENT_HEARTBEAT_INTERVAL: "1" });
    try {
      const { token } = await required.agent("py-7");
      const worker = await start("py-7", {
        AGENT_COMMUNICATION_URL: required.baseUrl,
        AGENT_COMMUNICATION_TOKEN: token,
      });
      const { credentials } = await required.admin.listCredentials({ agentId: "py-7" });
      const ended = once(worker, "exit");
      for (const { credentialId } of credentials) await required.admin.revokeCredential(credentialId);
      expect((await ended)[0]).toBe(1);
      expect(output).toContain("UNAUTHENTICATED");
    } finally {
      await required.stop();
    }
  }, 60_000);

  it("has no more than 150 lines and imports the standard library alone", () => {
    const source = readFileSync(FILE, "utf8");
    expect(source.trimEnd().split("\n").length).toBeLessThanOrEqual(150);
    const imported = [...source.matchAll(/^(?:import|from) (.+)$/gm)].map(([, names]) => names);
    expect(imported).toEqual([
      "http.client, json, os, random, signal, sys, threading, time, uuid",
      "urllib import error as errors, request",
    ]);
  });
});
