import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

const WORKER = fileURLToPath(new URL("./slow-worker.ts", import.meta.url));

/** What happens to tasks when the process of a worker ends, in good order or not, and when the service does. */
describe("a worker's process", () => {
  let host: LocalHost;
  let client: AgentClient;
  const children: ChildProcess[] = [];

  const settings = {
    AGENT_HEARTBEAT_INTERVAL: "0.5",
    AGENT_HEARTBEAT_TIMEOUT: "60",
    AGENT_SWEEP_SCHEDULE: "* * * * * *",
  };
  beforeAll(async () => {
    host = await startLocalHost(settings);
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  afterAll(async () => {
    await host?.stop();
  });

  function startWorker(agentId: string, milliseconds: number): ChildProcess {
    const child = childOfTest(
      spawn(process.execPath, [WORKER, host.baseUrl, agentId, String(milliseconds)], { stdio: "inherit" }),
    );
    children.push(child);
    return child;
  }
  async function runTask(capability: string): Promise<string> {
    const { taskId } = await client.assignTask({
      supervisor: "lead",
      taskType: "slow",
      requiredCapabilities: [capability],
    });
    await until("running", async () => (await client.getTask(taskId)).status === "running");
    return taskId;
  }

  it("drains on SIGTERM: the task under way is completed, then it exits 0", async () => {
    const child = startWorker("gentle", 1_500);
    const taskId = await runTask("gentle");
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect((await exited)[0]).toBe(0);
    expect(await client.getTask(taskId)).toMatchObject({ status: "completed", result: { attempt: 1, pid: child.pid } });
    expect((await client.getAgent("gentle")).status).toBe("draining");
  });

  it("killed and started again with its id, it gives back what had been running at once", async () => {
    const child = startWorker("reborn", 60_000);
    const taskId = await runTask("reborn");
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    // The heartbeat timeout is a minute: only the new process can know so soon.
    const second = startWorker("reborn", 60_000);
    const task = await until("completed", async () => {
      const found = await client.getTask(taskId);
      return found.status === "completed" ? found : undefined;
    });
    expect(task).toMatchObject({ attempt: 2, retriesUsed: 1, result: { attempt: 2, pid: second.pid } });
  });

  it("outlives a restart of the service, and delivers its result to the new one", async () => {
    const child = startWorker("patient", 2_500);
    const taskId = await runTask("patient");
    const { port, database } = host;
    await host.stop({ keep: true });
    host = await startLocalHost({ ...settings, AGENT_HTTP_PORT: String(port) }, { database });
    const task = await until("completed", async () => {
      const found = await client.getTask(taskId);
      return found.status === "completed" ? found : undefined;
    });
    expect(task).toMatchObject({ attempt: 1, result: { attempt: 1, pid: child.pid } });
  });
});
