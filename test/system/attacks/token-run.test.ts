import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "@jest/globals";
import { type AgentClient, Supervisor, Worker } from "../../../src/client/index.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { until } from "../../support/poll.ts";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";
import { type Finished, runFile } from "../../support/run-process.ts";

/**
 * The service in mode `required` as a process, from the first admin to a completed task with agent tokens: by the client, by the
 * command line and by the examples. (By the other kinds of credential: end-to-end.)
 */

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Two workers and a supervisor, each with a client of its own, do three tasks and talk. */
async function doWork(clients: { lead: AgentClient; workers: readonly [string, AgentClient][] }, leadId: string) {
  const errors: unknown[] = [];
  const workers = clients.workers.map(
    ([agentId, client]) =>
      new Worker({
        client,
        agentId,
        capabilities: ["dig"],
        handle: async (task, { progress }) => {
          await progress(50, "half way");
          return { by: agentId, of: task.parameters };
        },
        onMessage: async ({ messageId, sender }) => {
          await client.sendMessage({ sender: agentId, receiver: sender, type: "response", correlationId: messageId });
        },
        onEvent: (event) => {
          if (event.type === "error" || event.type === "task_failed") errors.push(event);
        },
      }),
  );
  await Promise.all(workers.map((worker) => worker.start()));
  const answers: unknown[] = [];
  const supervisor = new Supervisor({
    client: clients.lead,
    agentId: leadId,
    onMessage: async (message) => {
      answers.push([message.senderRole, message.senderCredential]);
    },
    onError: (error) => errors.push(error),
  });
  await supervisor.start();
  const tasks = [1, 2, 3].map((depth) => ({
    taskType: "dig",
    description: "Dig a hole",
    parameters: { depth },
    requiredCapabilities: ["dig"],
  }));
  const assigned = await Promise.all(tasks.map((task) => supervisor.assign(task)));
  const outcomes = await supervisor.waitForAll(assigned.map(({ taskId }) => taskId));
  for (const [agentId] of clients.workers) {
    await clients.lead.sendMessage({ sender: leadId, receiver: agentId, type: "query" });
  }
  await until("every worker has answered", () => answers.length === workers.length);
  await supervisor.stop();
  await Promise.all(workers.map((worker) => worker.stop()));
  return { errors, outcomes, answers, taskId: assigned[0]?.taskId ?? "" };
}

function cli(environment: Record<string, string>): (...words: string[]) => Promise<Finished> {
  return (...words) => runFile("src/cli/main.ts", words, { environment });
}

async function succeeded(run: Promise<Finished>): Promise<string> {
  const { code, out, error } = await run;
  expect([code, error]).toEqual([0, ""]);
  return out;
}

describe("with agent tokens", () => {
  let host: RequiredProcess;
  const children: ChildProcess[] = [];
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await host.stop();
  });

  it("bootstrap, enrolment, work and questions", async () => {
    host = await startRequiredProcess();
    const url = { AGENT_COMMUNICATION_URL: host.baseUrl };
    const admin = cli({ ...url, AGENT_COMMUNICATION_TOKEN: host.adminToken });
    const enrolled = await succeeded(
      admin("credentials", "enrol", "--prefix", "blue-", "--roles", "worker", "--max-uses", "2", "--json"),
    );
    const key = String(JSON.parse(enrolled).secret);
    const enrol = async (agentId: string): Promise<[string, AgentClient]> => {
      const { token = "" } = await host.client(key).registerAgent({ agentId, role: "worker" });
      return [agentId, host.client(token)];
    };
    const workers = [await enrol("blue-1"), await enrol("blue-2")];
    await succeeded(admin("agents", "register", "lead", "--role", "supervisor"));
    const issued = await succeeded(admin("credentials", "issue", "lead", "--json"));
    const token = String(JSON.parse(issued).secret);

    const { errors, outcomes, answers, taskId } = await doWork({ lead: host.client(token), workers }, "lead");
    expect(errors).toEqual([]);
    expect(outcomes.map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
    expect(answers).toEqual([
      ["worker", "token"],
      ["worker", "token"],
    ]);

    const lead = cli({ ...url, AGENT_COMMUNICATION_TOKEN: token });
    expect(JSON.parse(await succeeded(lead("tasks", "show", taskId, "--json")))).toMatchObject({ status: "completed" });
    expect(await succeeded(lead("tasks", "explain", taskId))).toContain("blue-");
    const refused = await lead("credentials", "list");
    expect([refused.code, refused.error]).toEqual([1, expect.stringContaining("FORBIDDEN")]);
    const nobody = await cli(url)("agents", "list");
    expect([nobody.code, nobody.error]).toEqual([1, expect.stringContaining("UNAUTHENTICATED")]);
    expect(await succeeded(cli(url)("health"))).toContain("healthy");
    const key2 = await cli({ ...url, AGENT_COMMUNICATION_TOKEN: key })("agents", "register", "blue-3");
    expect([key2.code, key2.error]).toEqual([1, expect.stringContaining("used up")]);
    expect(await succeeded(admin("credentials", "list", "--agent", "blue-1"))).toContain("token");
  });

  it("the examples, each with a token of its own", async () => {
    const start = async (agentId: string, role: "worker" | "supervisor" | "observer" | "admin") => {
      const { token } = await host.agent(agentId, role);
      return { AGENT_COMMUNICATION_URL: host.baseUrl, AGENT_COMMUNICATION_TOKEN: token };
    };
    const worker = childOfTest(
      spawn(process.execPath, [`${ROOT}examples/backend-worker.ts`], {
        env: { ...process.env, ...(await start("backend_worker_001", "worker")) },
        stdio: ["ignore", "ignore", "inherit"],
      }),
    );
    children.push(worker);
    await until(
      "the example has registered",
      async () => (await host.admin.getAgent("backend_worker_001")).capabilities.length > 0,
    );
    const environment = await start("backend_supervisor_001", "supervisor");
    const run = await runFile("examples/backend-supervisor.ts", [], { environment });
    expect([run.code, run.error]).toEqual([0, ""]);
    expect(run.out).toMatch(/^task [0-9a-f-]{36}: completed$/m);
    const maintenance = await runFile("examples/daily-maintenance.ts", [], {
      environment: await start("upkeep", "admin"),
    });
    expect([maintenance.code, maintenance.error]).toEqual([0, ""]);
  });
});
