import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient, Supervisor, type SupervisorOptions } from "../../../src/client/index.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";
import { until } from "../../support/poll.ts";
import { handOut, type Switchboard, send, startSwitchboard } from "./scripted-switchboard.ts";

describe("a supervisor and what its user's code does", () => {
  let switchboard: Switchboard;
  let supervisor: Supervisor;
  beforeEach(async () => {
    switchboard = await startSwitchboard();
    switchboard.on("/tasks/t", (_asked, response) => send(response, { taskId: "t", status: "running", attempt: 1 }));
  });
  afterEach(async () => {
    await supervisor.stop({ graceMilliseconds: 0 });
    await switchboard.close();
  });

  async function start(options: Partial<SupervisorOptions>): Promise<Supervisor> {
    // A hundredth of every wait: a lease is renewed every 150 ms.
    const sleep: Clock["sleep"] = (milliseconds, signal) => systemClock.sleep(milliseconds / 100, signal);
    const client = new AgentClient({ baseUrl: switchboard.baseUrl, clock: { ...systemClock, sleep } });
    supervisor = new Supervisor({ client, agentId: "s", ...options });
    await supervisor.start();
    return supervisor;
  }
  const result = {
    messageId: "m",
    sender: "system",
    senderRole: "system",
    senderCredential: "system",
    type: "task_result",
    attempt: 1,
    payload: { taskId: "t", taskType: "a", status: "completed", attempt: 1, result: 1 },
  };

  it("delivers a result although onResult and onError throw", async () => {
    const told: string[] = [];
    await start({
      onResult: () => Promise.reject(new Error("no")),
      onError: (_error, during) => {
        told.push(during);
        throw new Error("nor that");
      },
    });
    const waiting = supervisor.waitFor("t");
    handOut(switchboard, result);
    expect(await waiting).toMatchObject({ taskId: "t", result: 1 });
    await until("told", () => told.includes("result"));
  });

  it("stops although a message handler never ends, and rejects what waits at once", async () => {
    const reasons: unknown[] = [];
    const handling = Promise.withResolvers<void>();
    handOut(switchboard, { messageId: "m", sender: "x", type: "query", attempt: 1, payload: null });
    await start({
      onMessage: async (_message, { signal }) => {
        handling.resolve();
        signal.addEventListener("abort", () => reasons.push(signal.reason.why));
        await supervisor.waitFor("t").catch((error: Error) => reasons.push(error.name));
        await new Promise(() => undefined);
      },
    });
    await handling.promise;
    await until("asked", () => switchboard.to("/tasks/t").length > 0);
    await until("renewed", () => switchboard.to("/renew").length > 0);
    await supervisor.stop({ graceMilliseconds: 10 });
    expect(reasons).toEqual(["AbortError", "stopping"]);
    // The lease of what goes on is not kept for ever: three renewals would be due in this time.
    const renewed = switchboard.to("/renew").length;
    await systemClock.sleep(500);
    expect(switchboard.to("/renew")).toHaveLength(renewed);
  });

  it("waits for many tasks with one listener on one signal", async () => {
    await start({});
    const controller = new AbortController();
    const ids = Array.from({ length: 25 }, (_, index) => `t-${index}`);
    const all = supervisor.waitForAll(ids, { signal: controller.signal });
    // Node warns of a leak at eleven.
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(all).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });
});
