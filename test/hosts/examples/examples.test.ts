import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";
import { runFile } from "../../support/run-process.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** The examples as a reader runs them: each a process, talking to a running service. */
describe("examples", () => {
  let host: LocalHost;
  let client: AgentClient;
  let environment: Record<string, string>;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    environment = { AGENT_COMMUNICATION_URL: host.baseUrl };
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await host?.stop();
  });

  async function startWorker(file: string, agentId: string): Promise<ChildProcess> {
    const child = childOfTest(
      spawn(process.execPath, [`${ROOT}examples/${file}`], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "ignore", "inherit"],
      }),
    );
    children.push(child);
    await until(`${agentId} registered`, async () =>
      (await client.listAgents({ role: "worker" })).agents.some((agent) => agent.agentId === agentId),
    );
    return child;
  }

  it("health-check: says what works", async () => {
    const { code, out } = await runFile("examples/health-check.ts", [], { environment });
    expect(code).toBe(0);
    expect(out).toContain("service: healthy");
    expect(out).toContain("ok   databaseConnection");
  });

  it("backend-supervisor: delegates a project to the backend worker and reads its result", async () => {
    const worker = await startWorker("backend-worker.ts", "backend_worker_001");
    const { code, out, error } = await runFile("examples/backend-supervisor.ts", [], { environment });
    expect([code, error]).toEqual([0, ""]);
    expect(out).toMatch(/^task [0-9a-f-]{36}: assigned to backend_worker_001$/m);
    expect(out).toMatch(/^active agents: \d+, tasks assigned: \d+$/m);
    expect(out).toMatch(/^task [0-9a-f-]{36}: completed$/m);
    expect(out).toContain("app/routes/get_users_id_.py");

    const [task] = (await client.listTasks({ supervisor: "backend_supervisor_001" })).tasks;
    expect(task).toMatchObject({ priority: "high", status: "completed", percent: 100, attempt: 1 });
    expect(await client.getAgent("backend_supervisor_001")).toMatchObject({
      role: "supervisor",
      capabilities: ["code_generation", "project_management", "task_delegation"],
      maxConcurrentTasks: 10,
    });
    expect(await client.getAgent("backend_worker_001")).toMatchObject({
      capabilities: ["api_development", "database", "fastapi", "python"],
      maxConcurrentTasks: 3,
    });
    const exited = once(worker, "exit");
    worker.kill("SIGTERM");
    expect((await exited)[0]).toBe(0);
  });

  it("frontend-worker: does its tasks, and answers queries once", async () => {
    await startWorker("frontend-worker.ts", "frontend_worker_001");
    await client.registerAgent({ agentId: "designer", role: "supervisor" });
    expect(await client.getAgent("frontend_worker_001")).toMatchObject({
      capabilities: ["javascript", "react", "styling", "ui_development"],
      maxConcurrentTasks: 2,
    });
    const { taskId } = await client.assignTask({
      supervisor: "designer",
      taskType: "login_form",
      requiredCapabilities: ["react"],
    });
    const query = {
      sender: "designer",
      receiver: "frontend_worker_001",
      type: "query",
      payload: { what: "framework" },
    };
    const { messageId } = await client.sendMessage(query);
    const answer = await until("answer", async () => {
      const { messages } = await client.receiveMessages("designer", { types: ["response"], waitSeconds: 1 });
      return messages[0];
    });
    expect(answer).toMatchObject({ correlationId: messageId, payload: { framework: "react" } });
    const task = await until("completed", async () => {
      const found = await client.getTask(taskId);
      return found.status === "completed" ? found : undefined;
    });
    expect(task.result).toEqual({ component: "login_form.jsx", stylesheet: "login_form.css" });
  });

  it("performance-monitor: prints a line each time, and warns", async () => {
    await client.registerAgent({ agentId: "busy", role: "worker", capabilities: ["busy"] });
    await client.sendMessage({ messageId: "unwanted", sender: "designer", receiver: "busy", type: "notification" });
    await client.receiveMessages("busy");
    await client.deadLetterMessage("unwanted", { agentId: "busy", attempt: 1 });
    const { code, out } = await runFile("examples/performance-monitor.ts", ["0.05", "2"], { environment });
    expect(code).toBe(0);
    expect(out.match(/messages\/min \d+ {2}utilization [\d.]+ %/g)).toHaveLength(2);
    expect(out).toContain("WARNING: 1 dead letters");
  });

  it("daily-maintenance: says what it did", async () => {
    const { code, out } = await runFile("examples/daily-maintenance.ts", [], { environment });
    expect(code).toBe(0);
    expect(out).toMatch(/messagesPurged 0 .*tasksArchived 0/);
    expect(out).toContain("1 dead letters are kept");
  });
});
