import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { jsonResult } from "../../../src/client/json-result.ts";
import { checkedHeartbeat } from "../../../src/client/wire-shapes.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { WorkerEvent } from "../../../src/client/worker-options.ts";
import { until } from "../../support/poll.ts";
import {
  assignment,
  beat,
  handOut,
  refusal,
  type Switchboard,
  send,
  startSwitchboard,
} from "./scripted-switchboard.ts";

/** Attempts that have been lost are known by what a report is answered, and answers that are none are told apart. */

let switchboard: Switchboard;
const events: WorkerEvent[] = [];
const workers: Worker[] = [];
beforeEach(async () => {
  events.length = 0;
  switchboard = await startSwitchboard();
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop({ graceMilliseconds: 0 })));
  await switchboard.close();
});

async function start(handle: ConstructorParameters<typeof Worker>[0]["handle"], token?: string): Promise<void> {
  const client = new AgentClient({ baseUrl: switchboard.baseUrl, token });
  const worker = new Worker({ client, agentId: "w", handle, onEvent: (event) => events.push(event) });
  workers.push(worker);
  await worker.start();
}

describe("a report of progress", () => {
  it.each(["LEASE_LOST", "TASK_ENDED", "TASK_NOT_FOUND", "AGENT_DEREGISTERED"])(
    "that is answered %s ends the attempt: the handler is told, and nothing is completed",
    async (code) => {
      switchboard.on("/progress", refusal(409, code));
      switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "t", attempt: 1 }])));
      handOut(switchboard, assignment("t"));
      const told = Promise.withResolvers<boolean>();
      await start(async (_task, { progress, signal }) => {
        await progress(10);
        told.resolve(signal.aborted);
        return "done";
      });
      expect(await told.promise).toBe(true);
      await until("the attempt is over", async () => switchboard.to("/heartbeat").length > 3);
      expect(switchboard.to("/complete")).toEqual([]);
    },
  );
});

describe("a token that is not accepted", () => {
  it("is reported, and not asked about again", async () => {
    switchboard.on("/token", refusal(401, "UNAUTHENTICATED"));
    await start(async () => null, "agt_x");
    await until("reported", async () => events.some((event) => event.type === "error" && event.during === "token"));
    await until("some heartbeats", async () => switchboard.to("/heartbeat").length > 3);
    expect(switchboard.to("/token")).toHaveLength(1);
  });

  it("for a moment, more often than is needed to give up, ends nothing: a token may just be being renewed", async () => {
    let beats = 0;
    switchboard.on("/heartbeat", (asked, response) => {
      beats += 1;
      // The first one belongs to the start, which a refusal would end.
      if (beats === 1 || beats > 5) return send(response, beat([]));
      return refusal(401, "UNAUTHENTICATED")(asked, response);
    });
    await start(async () => null, "agt_x");
    await until("accepted again", async () => beats > 7);
    expect(events.filter(({ type }) => type === "credential_refused" || type === "stopped")).toEqual([]);
  });

  it("is not renewed, without a word, where there are no tokens", async () => {
    switchboard.on("/token", refusal(404, "NOT_FOUND"));
    await start(async () => null, "agt_x");
    await until("some heartbeats", async () => switchboard.to("/heartbeat").length > 3);
    expect([switchboard.to("/token").length, events.filter(({ type }) => type === "error")]).toEqual([1, []]);
  });
});

describe("an answer that is none", () => {
  const good = { ...beat([]), status: "active" as const };

  it("to a heartbeat is told by what it lacks; its interval is kept within bounds", () => {
    const { heartbeatIntervalSeconds: _, ...without } = good;
    for (const reply of [without, { ...good, heartbeatIntervalSeconds: Number.NaN }]) {
      expect(() => checkedHeartbeat(reply as typeof good)).toThrow(
        "The answer is not from a switchboard: a heartbeat without its interval.",
      );
    }
    for (const reply of [{}, null, { ...good, tasks: {} }, { ...good, tasks: [null] }]) {
      expect(() => checkedHeartbeat(reply as typeof good)).toThrow("a heartbeat without its tasks");
    }
    for (const [given, kept] of [
      [-1, 0.1],
      [0.1, 0.1],
      [30, 30],
      [1e9, 86_400],
    ] as const) {
      expect(checkedHeartbeat({ ...good, heartbeatIntervalSeconds: given }).heartbeatIntervalSeconds).toBe(kept);
    }
  });

  it("to GET /health is a report only in JSON", async () => {
    const client = new AgentClient({ baseUrl: switchboard.baseUrl, retryBudgetMilliseconds: 100 });
    const report = { status: "unhealthy", checks: {} };
    switchboard.on("/health", (_asked, response) => send(response, report, 503));
    expect(await client.call("GET /health", {})).toEqual(report);
    switchboard.on("/health", (_asked, response) =>
      send(response, report, 503, { "content-type": "text/html", "retry-after": "0" }),
    );
    await expect(client.call("GET /health", {})).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});

describe("what a handler returns", () => {
  it.each([
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
  ])("that is %s is no JSON", (_, returned) => {
    expect(() => jsonResult(returned)).toThrow("it cannot be written as JSON");
  });

  it("is copied", () => {
    const returned = { list: [1] };
    const kept = jsonResult(returned);
    returned.list.push(2);
    expect(kept).toEqual({ list: [1] });
    expect(jsonResult(undefined)).toBeUndefined();
  });
});
