import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  AgentClient,
  HandlerAborted,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from "../../../src/client/index.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";
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

/** A clock whose waits take a hundredth of the time, and are remembered. */
function hastyClock(): { clock: Clock; waits: number[] } {
  const waits: number[] = [];
  const sleep: Clock["sleep"] = (milliseconds, signal) => {
    waits.push(milliseconds);
    return systemClock.sleep(milliseconds / 100, signal);
  };
  return { clock: { ...systemClock, sleep }, waits };
}

describe("what a worker holds", () => {
  let switchboard: Switchboard;
  let worker: Worker | undefined;
  let events: WorkerEvent[];

  beforeEach(async () => {
    switchboard = await startSwitchboard();
    events = [];
  });
  afterEach(async () => {
    await worker?.stop({ graceMilliseconds: 0 });
    worker = undefined;
    await switchboard.close();
  });

  async function start(options: Partial<WorkerOptions> = {}, clock: Clock = systemClock): Promise<Worker> {
    // A try has a third of it: on a busy machine the first answer of a new process takes longer than 100 ms.
    const client = new AgentClient({ baseUrl: switchboard.baseUrl, clock, retryBudgetMilliseconds: 3_000 });
    worker = new Worker({
      client,
      agentId: "w",
      handle: () => "done",
      onEvent: (event) => events.push(event),
      ...options,
    });
    await worker.start();
    return worker;
  }
  const happened = (type: WorkerEvent["type"]) => until(type, () => events.find((event) => event.type === type));

  for (const [status, code] of [
    [500, "INTERNAL"],
    [401, "UNAUTHENTICATED"],
    [503, "STORE_UNAVAILABLE"],
  ] as const) {
    it(`keeps a result that is answered with ${status} ${code}, and says it again until it is taken`, async () => {
      handOut(switchboard, assignment("t"));
      switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "t", attempt: 1 }])));
      switchboard.on("/complete", refusal(status, code));
      const { clock } = hastyClock();
      await start({ settleBudgetMilliseconds: 50 }, clock);
      await until("said three times", () => switchboard.to("/complete").length >= 3);
      expect(events.map(({ type }) => type)).toContain("task_unreported");
      expect(events.map(({ type }) => type)).not.toContain("task_completed");
      switchboard.on("/complete", (_asked, response) =>
        send(response, { status: "completed", cancelRequested: false }),
      );
      await happened("task_completed");
      expect(switchboard.to("/complete").at(-1)?.body).toEqual({ agentId: "w", attempt: 1, result: "done" });
      expect(switchboard.to("/fail")).toEqual([]);
    });
  }

  it("drops a result only when the service says that the attempt is lost", async () => {
    handOut(switchboard, assignment("t"));
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "t", attempt: 1 }])));
    switchboard.on("/complete", refusal(500, "INTERNAL"));
    await start({ settleBudgetMilliseconds: 50 }, hastyClock().clock);
    await until("said twice", () => switchboard.to("/complete").length >= 2);
    switchboard.on("/complete", refusal(409, "LEASE_LOST"));
    await happened("task_lost");
    const said = switchboard.to("/complete").length;
    await until("beats", () => switchboard.to("/heartbeat").length > 20);
    expect(switchboard.to("/complete")).toHaveLength(said);
  });

  it("gives back at once what a heartbeat lists as its own and it does not hold", async () => {
    await start();
    switchboard.on("/tasks/ghost", (_asked, response) =>
      send(response, {
        taskId: "ghost",
        status: "running",
        attempt: 3,
        taskType: "work",
        description: "",
        parameters: null,
      }),
    );
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "ghost", attempt: 3 }])));
    const [said] = await until("given back", () => {
      const found = switchboard.to("/tasks/ghost/fail");
      return found.length > 0 && found;
    });
    expect(said?.body).toMatchObject({ agentId: "w", attempt: 3 });
  });

  it("begins what a heartbeat lists as assigned and whose message never came", async () => {
    await start();
    const { payload } = assignment("silent", 2);
    switchboard.on("/tasks/silent", (_asked, response) =>
      send(response, { ...payload, dependsOn: [], status: "assigned" }),
    );
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "silent", attempt: 2 }])));
    await happened("task_completed");
    expect(switchboard.to("/tasks/silent/complete")[0]?.body).toMatchObject({ attempt: 2, result: "done" });
    expect(switchboard.to("/dependencies")).toEqual([]);
  });

  it("and asks for what its message would have said of those that it depends on", async () => {
    const { payload } = assignment("silent");
    const dependencies = [{ ref: "lint", taskId: "t-0", status: "completed", result: { warnings: 2 } }];
    await start({ handle: (task) => task.dependencies });
    switchboard.on("/tasks/silent", (_asked, response) =>
      send(response, { ...payload, dependsOn: ["t-0"], status: "assigned" }),
    );
    switchboard.on("/tasks/silent/dependencies", (_asked, response) => send(response, { dependencies }));
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "silent", attempt: 1 }])));
    await happened("task_completed");
    expect(switchboard.to("/tasks/silent/complete")[0]?.body).toMatchObject({ result: dependencies });
  });

  it("aborts the handler of an attempt that a heartbeat does not list any more, and then frees its slot", async () => {
    handOut(switchboard, assignment("a"), assignment("b"));
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "b", attempt: 1 }])));
    const whys: unknown[] = [];
    await start({
      lostHandlerMilliseconds: 50,
      handle: (task, { signal }) => {
        if (task.taskId === "b") return "next";
        signal.addEventListener("abort", () => whys.push(signal.reason instanceof HandlerAborted && signal.reason.why));
        return new Promise(() => undefined);
      },
    });
    await until("the next one", () => switchboard.to("/tasks/b/complete").length > 0);
    expect(whys).toEqual(["lost"]);
    expect(events).toContainEqual({ type: "task_lost", taskId: "a", attempt: 1 });
    expect(events).toContainEqual(expect.objectContaining({ type: "error", during: "handler" }));
  });

  it("tells the handler of a cancel that was requested before the start, without a heartbeat", async () => {
    handOut(switchboard, assignment("t"));
    switchboard.on("/heartbeat", (_asked, response) =>
      send(response, { ...beat([{ taskId: "t", attempt: 1 }]), heartbeatIntervalSeconds: 3_600 }),
    );
    switchboard.on("/start", (_asked, response) => send(response, { status: "running", cancelRequested: true }));
    const seen: unknown[] = [];
    await start({ handle: (_task, { signal }) => void seen.push(signal.aborted && signal.reason.why) });
    await happened("task_completed");
    expect(seen).toEqual(["cancelled"]);
  });

  it("asks again under the same claim id after lost answers, and under a new one after an answer", async () => {
    let calls = 0;
    switchboard.on("/receive", (_asked, response) => {
      calls++;
      if (calls <= 3) response.destroy();
      else setTimeout(() => send(response, { messages: [] }), 30);
    });
    // No repeats within a call: the loop itself has to ask again.
    const client = new AgentClient({ baseUrl: switchboard.baseUrl, retryBudgetMilliseconds: 0 });
    await start({ client });
    await until("six receives", () => switchboard.to("/receive").length >= 6);
    const ids = switchboard.to("/receive").map(({ body }) => body.claimId);
    expect(ids.slice(0, 4)).toEqual(Array(4).fill(expect.stringMatching(/^[0-9a-f-]{36}$/)));
    expect(new Set(ids.slice(0, 4)).size).toBe(1);
    expect(new Set(ids.slice(3, 6)).size).toBe(3);
    expect(events).toContainEqual(expect.objectContaining({ type: "error", during: "receive" }));
  });

  it("renews the lease of a message at half of it, and tells its handler when the lease is lost", async () => {
    const message = { messageId: "m", sender: "x", type: "query", attempt: 4, payload: null };
    handOut(switchboard, message);
    switchboard.on("/renew", (_asked, response) =>
      switchboard.to("/renew").length > 1
        ? refusal(409, "LEASE_LOST")(_asked, response)
        : send(response, { messageId: "m", status: "leased" }),
    );
    const { clock, waits } = hastyClock();
    const told = Promise.withResolvers<unknown>();
    const onMessage: WorkerOptions["onMessage"] = async (_message, { signal }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      told.resolve(signal.reason.why);
    };
    await start({ onMessage }, clock);
    expect(await told.promise).toBe("lost");
    expect(switchboard.to("/renew").map(({ body }) => body)).toEqual(
      Array(2).fill({ agentId: "w", attempt: 4, leaseSeconds: 30 }),
    );
    expect(waits.filter((wait) => wait === 15_000).length).toBeGreaterThanOrEqual(2);
    expect(switchboard.to("/messages/m/complete")).toEqual([]);
  });

  it("keeps the outcome of a message handler, too", async () => {
    handOut(switchboard, { messageId: "m", sender: "x", type: "query", attempt: 1, payload: null });
    switchboard.on("/messages/m/complete", refusal(503, "STORE_UNAVAILABLE"));
    await start({ onMessage: () => undefined }, hastyClock().clock);
    await until("said often", () => switchboard.to("/messages/m/complete").length > 5);
    switchboard.on("/messages/m/complete", (_asked, response) =>
      send(response, { messageId: "m", status: "completed" }),
    );
    const said = await until("taken", () => {
      const { length } = switchboard.to("/messages/m/complete");
      return length > 0 && length;
    });
    expect(said).toBeGreaterThan(5);
    expect(switchboard.to("/messages/m/retry")).toEqual([]);
  });

  it("does not make a loop without pause of answers that are JSON but no switchboard's", async () => {
    await start();
    const before = switchboard.asked.length;
    switchboard.on("/heartbeat", (_asked, response) => send(response, {}));
    switchboard.on("/receive", (_asked, response) => send(response, null));
    await until("errors", () => events.filter(({ type }) => type === "error").length >= 4);
    expect(switchboard.asked.length - before).toBeLessThan(40);
  });
});
