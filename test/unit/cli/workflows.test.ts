import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

const RELEASE = `
# A release: two checks, a person, a deployment, and what undoes it.
supervisor: lead
tasks:
  - { ref: lint, taskType: check, requiredCapabilities: [flows] }
  - { ref: test, taskType: check, requiredCapabilities: [flows] }
  - ref: approve
    taskType: approval
    dependsOn: [lint, test]
    question: { text: Deploy?, options: [deploy, reject] }
  - { ref: deploy, taskType: deploy, requiredCapabilities: [flows], dependsOn: [approve] }
  - { ref: undo, taskType: undo, requiredCapabilities: [flows], dependsOn: [{ ref: deploy, when: failed }] }
`;

describe("workflows on the command line", () => {
  let host: LocalHost;
  let client: AgentClient;
  const folder = mkdtempSync(join(tmpdir(), "agent-communication-flows-"));
  const file = join(folder, "release.yaml");

  beforeAll(async () => {
    writeFileSync(file, RELEASE);
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", capabilities: ["flows"], maxConcurrentTasks: 10 });
  });
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (args: readonly string[], input?: string) =>
    runFile("src/cli/main.ts", ["workflows", ...args], {
      environment: { AGENT_COMMUNICATION_URL: host.baseUrl },
      ...(input === undefined ? {} : { input }),
    });

  it("run, show as a tree, list and cancel", async () => {
    const created = await run(["run", file, "--workflow-id", "r-1"]);
    expect([created.code, created.error]).toEqual([0, ""]);
    expect(created.out).toMatch(/^workflowId +r-1$/m);
    expect(created.out).toMatch(/^taskIds\.approve +\S+$/m);
    const { taskIds } = JSON.parse((await run(["run", file, "--workflow-id", "r-1", "--json"])).out);
    await client.completeTask(taskIds.lint, { agentId: "hand", attempt: 1 });
    expect((await run(["show", "r-1"])).out).toMatch(
      new RegExp(
        [
          "^r-1  running  by lead  created .*  3 blocked, 1 assigned, 1 completed",
          "├─ lint  completed  hand",
          "│  └─ approve  blocked  after test",
          "│     └─ deploy  blocked",
          "│        └─ undo  blocked  if failed",
          "└─ test  assigned  hand\n$",
        ].join("\n"),
      ),
    );
    expect((await run(["list", "--status", "running"])).out).toMatch(/^r-1 +lead +running +1 +0 +4 +/m);
    expect((await run(["cancel", "r-1", "--reason", "no"])).out).toMatch(/^status +cancelled$/m);
    expect(JSON.parse((await run(["show", "r-1", "--json"])).out)).toMatchObject({ counts: { cancelled: 4 } });
    expect((await run(["retry", "r-1", "--reason", "after all"])).out).toMatch(/^status +running$/m);
    expect(JSON.parse((await run(["show", "r-1", "--json"])).out)).toMatchObject({
      counts: { completed: 1, cancelled: 0 },
    });
    expect((await run(["cancel", "r-1"])).out).toMatch(/^status +cancelled$/m);
  });

  it("wait for the end, which is the exit code", async () => {
    const ending = async (workflowId: string, how: (taskId: string) => Promise<unknown>) => {
      const input = JSON.stringify({ tasks: [{ ref: "a", taskType: "x", requiredCapabilities: ["flows"] }] });
      const waiting = run(["run", "-", "--supervisor", "lead", "--workflow-id", workflowId, "--wait"], input);
      let tasks: { taskId: string }[] = [];
      while (tasks.length === 0) {
        const found = await client.listWorkflows({ supervisor: "lead" });
        if (found.workflows.some((one) => one.workflowId === workflowId))
          ({ tasks } = await client.getWorkflow(workflowId));
      }
      await how(tasks[0]?.taskId ?? "");
      return waiting;
    };
    const done = await ending("w-1", (taskId) => client.completeTask(taskId, { agentId: "hand", attempt: 1 }));
    expect([done.code, done.out]).toEqual([0, expect.stringMatching(/^w-1 {2}completed/)]);
    const end = { agentId: "hand", attempt: 1, error: "out of \u001b[31mdisk", retryable: false };
    const failed = await ending("w-2", (taskId) => client.failTask(taskId, end));
    expect([failed.code, failed.out]).toEqual([
      1,
      expect.stringMatching(/^w-2 {2}failed.*\n└─ a {2}failed {2}hand {2}out of \\u001b/),
    ]);
  });

  it("say what is wrong with the file", async () => {
    const bad = await run(["run", "-"], "supervisor: lead\ntasks: []\nextra: 1");
    expect([bad.code, bad.error]).toEqual([1, expect.stringContaining("tasks")]);
    expect(await run(["run", "-"], "tasks: [")).toMatchObject({ code: 2, error: expect.stringContaining("-: ") });
    expect(await run(["run", join(folder, "none.yaml")])).toMatchObject({ code: 2 });
    const cycle =
      "supervisor: lead\ntasks: [{ref: a, taskType: x, dependsOn: [b]}, {ref: b, taskType: x, dependsOn: [a]}]";
    expect(await run(["run", "-"], cycle)).toMatchObject({ code: 1, error: expect.stringContaining("a → b → a") });
  });
});
