import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

const NIGHTLY = `# each night
supervisor: lead
cron: 0 3 * * *
timezone: Europe/Berlin
overlap: skip
task: { taskType: backup, requiredCapabilities: [never-there] }
`;

describe("schedules on the command line", () => {
  let host: LocalHost;
  let client: AgentClient;
  const folder = mkdtempSync(join(tmpdir(), "agent-communication-schedules-"));
  const file = join(folder, "nightly.yaml");

  beforeAll(async () => {
    writeFileSync(file, NIGHTLY);
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "chief", role: "supervisor" });
  });
  afterAll(async () => {
    await host?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (args: readonly string[], input?: string) =>
    runFile("src/cli/main.ts", ["schedules", ...args], {
      environment: { AGENT_COMMUNICATION_URL: host.baseUrl },
      ...(input === undefined ? {} : { input }),
    });

  it("put, show, list and replace", async () => {
    const put = await run(["put", "nightly", file]);
    expect([put.code, put.error]).toEqual([0, ""]);
    expect(put.out).toMatch(/^cron +0 3 \* \* \*$/m);
    expect(put.out).toMatch(/^nextDueAt +\d{4}-\d\d-\d\dT0[12]:00:00\.000Z \(in \d+[hms]\)$/m);
    expect(put.out).toMatch(/\n\nnot fired yet\n$/);
    expect(put.out).not.toContain("backup");
    expect(JSON.parse((await run(["show", "nightly", "--json"])).out)).toEqual(await client.getSchedule("nightly"));
    const replacing = JSON.stringify({
      cron: "5 4 * * MON",
      enabled: false,
      workflow: { tasks: [{ ref: "a", taskType: "x" }] },
    });
    const replaced = await run(["put", "nightly", "-", "--supervisor", "lead"], replacing);
    expect([replaced.code, replaced.out]).toEqual([0, expect.stringMatching(/^creates +workflow$/m)]);
    await client.putSchedule("weekly", { supervisor: "chief", cron: "0 0 * * 0", task: { taskType: "report" } });
    expect((await run(["list"])).out).toMatch(/^nightly +lead +5 4 \* \* MON +UTC +workflow +allow +no +-$/m);
    const listed = (await run(["list", "--supervisor", "chief"])).out.trimEnd().split("\n");
    expect(listed).toEqual([
      expect.stringMatching(/^SCHEDULE +SUPERVISOR +CRON +TIMEZONE +CREATES +OVERLAP +ENABLED +NEXT DUE$/),
      expect.stringMatching(/^weekly +chief +0 0 \* \* 0 +UTC +task +allow +yes +in \d+[dhm]$/),
    ]);
  });

  it("trigger, see what became of it, and delete", async () => {
    await run(["put", "by-hand", file]);
    const triggered = await run(["trigger", "by-hand"]);
    expect([triggered.code, triggered.error]).toEqual([0, ""]);
    const [, taskId = ""] = /^taskId +(schedule:by-hand:trigger-\S+)$/m.exec(triggered.out) ?? [];
    expect(await client.getTask(taskId)).toMatchObject({ taskType: "backup", status: "pending", supervisor: "lead" });
    await client.cancelTask(taskId);
    expect((await run(["show", "by-hand"])).out).toMatch(
      new RegExp(`^triggered +\\S.* created +${taskId} +cancelled +-$`, "m"),
    );
    expect((await run(["delete", "by-hand"])).code).toBe(0);
    expect(await run(["show", "by-hand"])).toMatchObject({
      code: 1,
      error: expect.stringContaining("no schedule by-hand"),
    });
    expect(await run(["trigger", "by-hand"])).toMatchObject({ code: 1 });
    expect((await client.getTask(taskId)).status).toBe("cancelled");
  });

  it("say what is wrong", async () => {
    expect(await run(["put", "bad", "-"], "task: [")).toMatchObject({ code: 2, error: expect.stringContaining("-: ") });
    expect(await run(["put", "bad", join(folder, "none.yaml")])).toMatchObject({ code: 2 });
    const put = (more: object) =>
      run(
        ["put", "bad", "-"],
        JSON.stringify({ supervisor: "lead", cron: "0 0 * * *", task: { taskType: "x" }, ...more }),
      );
    expect(await put({ cron: "0 0 31 2 *" })).toMatchObject({ code: 1, error: expect.stringContaining("cron") });
    expect(await put({ timezone: "Mars/Olympus" })).toMatchObject({
      code: 1,
      error: expect.stringContaining("timezone"),
    });
    expect(await put({ task: undefined })).toMatchObject({ code: 1, error: expect.stringContaining("task") });
    expect((await client.listSchedules({})).schedules.map(({ scheduleId }) => scheduleId)).not.toContain("bad");
  });
});
