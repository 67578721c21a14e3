import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { Supervisor } from "../../../src/client/supervisor.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { WorkerEvent } from "../../../src/client/worker-options.ts";
import { until } from "../../support/poll.ts";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";
import { runFile } from "../../support/run-process.ts";

/** A credential that is refused for good ends what shows it; a limit is waited for. */

let host: RequiredProcess;
beforeAll(async () => {
  host = await startRequiredProcess({ AGENT_HEARTBEAT_INTERVAL: "0.5", AGENT_RATE_LIMIT_PER_CREDENTIAL: "20" });
});
afterAll(() => host.stop());

const idOf = (token: string) => token.slice(4, 40);

/** A client of this token, and how often it has asked. */
function counted(token: string): { client: AgentClient; asked: () => number } {
  let asked = 0;
  const counting: typeof fetch = (...request) => {
    asked += 1;
    return fetch(...request);
  };
  return { client: new AgentClient({ baseUrl: host.baseUrl, token, fetch: counting }), asked: () => asked };
}

describe("an agent whose token was revoked", () => {
  it("stops by itself as a worker, says why, and asks no more", async () => {
    const { token } = await host.agent("revoked-worker");
    const { client, asked } = counted(token);
    const events: WorkerEvent[] = [];
    const worker = new Worker({
      client,
      agentId: "revoked-worker",
      handle: async () => null,
      onEvent: (event) => void events.push(event),
    });
    await worker.start();
    await host.admin.revokeCredential(idOf(token));
    await until("it has stopped", () => events.at(-1)?.type === "stopped");
    expect(events.filter(({ type }) => type === "credential_refused")).toMatchObject([
      { error: { code: "UNAUTHENTICATED" } },
    ]);
    const before = asked();
    // As long as three heartbeats would have taken.
    await client.clock.sleep(1_500);
    expect(asked()).toBe(before);
    await worker.stop();
  }, 60_000);

  it("rejects its waits as a supervisor, and stops", async () => {
    const { token } = await host.agent("revoked-lead", "supervisor");
    const { client } = counted(token);
    const told: string[] = [];
    const supervisor = new Supervisor({
      client,
      agentId: "revoked-lead",
      onError: (_error, during) => void told.push(during),
    });
    await supervisor.start();
    const { taskId } = await supervisor.assign({ taskType: "never", requiredCapabilities: ["nobody-has-this"] });
    const wait = supervisor.waitFor(taskId).catch((error: { code: string }) => error.code);
    await host.admin.revokeCredential(idOf(token));
    expect(await wait).toBe("UNAUTHENTICATED");
    expect(told).toContain("credential refused");
  }, 60_000);
});

describe("the command line at a limit", () => {
  it("says when it tries again, and does", async () => {
    const limited = await startRequiredProcess({ AGENT_RATE_LIMIT_PER_CREDENTIAL: "0.3" });
    const environment = {
      AGENT_COMMUNICATION_URL: limited.baseUrl,
      AGENT_COMMUNICATION_TOKEN: limited.adminToken,
    };
    try {
      const first = await runFile("src/cli/main.ts", ["agents", "list", "--json"], { environment });
      const second = await runFile("src/cli/main.ts", ["agents", "list", "--json"], { environment });
      expect([first.code, second.code]).toEqual([0, 0]);
      // 4 s for the request alone; the processor time of the first one is charged as well, more on a slow machine.
      expect(second.error).toMatch(/^The service is limiting requests; trying again in [1-9]\d? s\.$/m);
    } finally {
      await limited.stop();
    }
  }, 60_000);
});
