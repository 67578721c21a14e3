import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

describe("usage on the command line", () => {
  let host: LocalHost;
  let client: AgentClient;

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
    for (const taskId of ["t-1", "t-2"]) {
      await client.assignTask({ supervisor: "lead", taskType: taskId === "t-1" ? "build" : "test", taskId });
    }
  });
  afterAll(() => host?.stop());

  const run = (args: readonly string[], input?: string) =>
    runFile("src/cli/main.ts", args, {
      environment: { AGENT_COMMUNICATION_URL: host.baseUrl },
      ...(input === undefined ? {} : { input }),
    });
  const report = (taskId: string, usage: string, ...more: string[]) =>
    run(["tasks", "usage", taskId, "--agent", "hand", "--attempt", "1", "--report", usage, ...more]);

  it("is reported for an attempt, and shown with its task", async () => {
    expect((await run(["tasks", "usage", "t-1"])).out).toBe("nothing was reported\n");
    const usage = [{ provider: "openai", model: "gpt-5", inputTokens: 1_200, outputTokens: 80, costMicros: 12_345 }];
    const reported = await report("t-1", "-", "--json");
    expect(reported.code).toBe(2);
    const done = await runFile(
      "src/cli/main.ts",
      ["tasks", "usage", "t-1", "--agent", "hand", "--attempt", "1", "--report", "-"],
      { environment: { AGENT_COMMUNICATION_URL: host.baseUrl }, input: JSON.stringify(usage) },
    );
    expect([done.code, done.error]).toEqual([0, ""]);
    const shown = await run(["tasks", "usage", "t-1"]);
    expect(shown.out).toBe(done.out);
    expect(shown.out).toMatch(/^PROVIDER +MODEL +INPUT +CACHE READ +CACHE WRITE +OUTPUT +REASONING +USD$/m);
    expect(shown.out).toMatch(/^openai +gpt-5 +1200 +0 +0 +80 +0 +0\.0123$/m);
    expect(JSON.parse((await run(["tasks", "usage", "t-1", "--json"])).out).usage).toEqual(
      (await client.getTask("t-1")).usage,
    );
  });

  it("is summed by what is asked for", async () => {
    await client.reportUsage("t-2", { agentId: "hand", attempt: 1, usage: [{ inputTokens: 5, outputTokens: 1 }] });
    const all = await run(["usage"]);
    expect(all.out).toMatch(/^\S+Z to \S+Z\nINPUT .*\n +1205 +0 +0 +81 +0 +0\.0123\n$/);
    const by = await run(["usage", "--by", "type,model", "--supervisor", "lead"]);
    expect(by.code).toBe(1);
    const rows = (await run(["usage", "--by", "model,taskType,day", "--agent", "hand"])).out.split("\n").slice(1);
    expect(rows[0]).toMatch(/^DAY +TYPE +MODEL +INPUT/);
    expect(rows[1]).toMatch(/^\d{4}-\d\d-\d\d +build +gpt-5 +1200 /);
    expect(rows[2]).toMatch(/^\d{4}-\d\d-\d\d +test +- +5 /);
    const { usage } = JSON.parse((await run(["usage", "--type", "test", "--json"])).out);
    expect(usage).toEqual([expect.objectContaining({ inputTokens: 5 })]);
    expect((await run(["usage", "--supervisor", "other"])).out).toMatch(/\nnothing was reported\n$/);
    const old = await run(["usage", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"]);
    expect(old.out).toBe("2026-01-01T00:00:00.000Z to 2026-01-02T00:00:00.000Z\nnothing was reported\n");
  });

  it("is refused where it cannot be booked", async () => {
    const wrong = await report("t-1", '[{"inputTokens":-1,"outputTokens":0}]');
    expect([wrong.code, wrong.error]).toEqual([1, expect.stringContaining("usage.0.inputTokens")]);
    const later = await run(["tasks", "usage", "t-1", "--agent", "hand", "--attempt", "2", "--report", "[]"]);
    expect([later.code, later.error]).toEqual([1, expect.stringContaining("LEASE_LOST")]);
    const lacking = await run(["tasks", "usage", "t-1", "--report", "[]"]);
    expect([lacking.code, lacking.error]).toEqual([2, expect.stringContaining("--report needs --agent and --attempt")]);
  });
});
