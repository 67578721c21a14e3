import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { readAssignment } from "../../../src/client/payloads.ts";
import { Supervisor } from "../../../src/client/supervisor.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { beat, send, startSwitchboard } from "./scripted-switchboard.ts";

describe("a worker whose tasks depend on others", () => {
  let host: LocalHost;
  let client: AgentClient;
  let worker: Worker | undefined;

  beforeAll(async () => {
    host = await startLocalHost({});
    client = new AgentClient({ baseUrl: host.baseUrl });
  });
  afterEach(async () => {
    await worker?.stop({ graceMilliseconds: 0 });
  });
  afterAll(async () => {
    await host?.stop();
  });

  it("gets their results under their refs, and reads by id what found no room", async () => {
    const large = "x".repeat(200 * 1024);
    worker = new Worker({
      client,
      agentId: "w",
      maxConcurrentTasks: 4,
      handle: async ({ taskType, dependencies }) => {
        if (taskType !== "sum") return large;
        const first = dependencies.find(({ ref }) => ref === "first");
        const second = dependencies.find(({ ref }) => ref === "second");
        const read = second === undefined ? undefined : await client.getTask(second.taskId);
        const readById = second?.truncated === true && second.result === undefined && read?.result === large;
        return { brought: first?.result === large, readById };
      },
    });
    await worker.start();
    const supervisor = new Supervisor({ client, agentId: "lead" });
    await supervisor.start();
    const { workflowId, taskIds } = await supervisor.createWorkflow({
      tasks: [
        { ref: "first", taskType: "one" },
        { ref: "second", taskType: "two" },
        { ref: "sum", taskType: "sum", dependsOn: ["first", "second"] },
      ],
    });
    expect((await supervisor.waitForWorkflow(workflowId)).status).toBe("completed");
    await supervisor.stop();
    expect((await client.getTask(taskIds.sum ?? "")).result).toEqual({ brought: true, readById: true });
  }, 30_000);
});

describe("a worker that finds an attempt of which no message has come", () => {
  it("reads its children and dependencies, as the assignment would have told them", async () => {
    const switchboard = await startSwitchboard();
    const children = [{ ref: "a", taskId: "c-1", status: "completed", result: { words: 3 } }];
    const task = {
      taskId: "t",
      taskType: "x",
      description: "",
      parameters: null,
      status: "assigned",
      attempt: 2,
      dependsOn: [],
    };
    const deadline = "2999-01-01T00:00:00.000Z";
    const suspended = { ...task, deadline, resumedBy: "children_ended", checkpoint: { page: 7 } };
    switchboard.on("/heartbeat", (_asked, response) => send(response, beat([{ taskId: "t", attempt: 2 }])));
    switchboard.on("/tasks/t", (_asked, response) => send(response, suspended));
    switchboard.on("/tasks/t/dependencies", (_asked, response) => send(response, { dependencies: [], children }));
    const resumed = Promise.withResolvers<unknown>();
    const worker = new Worker({
      client: new AgentClient({ baseUrl: switchboard.baseUrl }),
      agentId: "w",
      handle: ({ resume }) => resumed.resolve(resume),
    });
    await worker.start();
    expect(await resumed.promise).toEqual({ reason: "children_ended", checkpoint: { page: 7 }, children });
    await worker.stop({ graceMilliseconds: 0 });
    await switchboard.close();
  });
});

describe("the dependencies in an assignment", () => {
  const read = (dependencies?: JsonValue) => {
    const task = { taskId: "t", attempt: 1, taskType: "x", description: "", deadline: "2026-03-01T10:00:00.000Z" };
    return readAssignment({ payload: dependencies === undefined ? task : { ...task, dependencies } })?.dependencies;
  };

  it("are read as they are", () => {
    const whole: JsonValue = [
      { ref: "a", taskId: "t-1", status: "completed", result: null },
      { taskId: "t-2", status: "failed", error: "broken" },
      { taskId: "t-3", status: "completed", truncated: true },
    ];
    expect(read(whole)).toEqual(whole);
  });

  it.each<[string, JsonValue | undefined]>([
    ["left out", undefined],
    ["no list", { 0: 1 }],
    ["lists of something else", [1, null, [], { taskId: 1, status: "completed" }, { taskId: "t", status: "toString" }]],
  ])("that are %s are none", (_name, dependencies) => {
    expect(read(dependencies)).toEqual([]);
  });
});
