import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient, Worker, type WorkerEvent, type WorkerOptions } from "../../../src/client/index.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

describe("a worker that answers questions of other tasks", () => {
  let host: LocalHost;
  let client: AgentClient;
  let worker: Worker | undefined;
  let events: WorkerEvent[];
  let round = 0;
  let agentId: string;

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
  });
  afterAll(() => host?.stop());
  beforeEach(() => {
    round++;
    agentId = `reviewer-${round}`;
    events = [];
  });
  afterEach(async () => {
    await worker?.stop();
    worker = undefined;
  });

  async function start(options: Partial<WorkerOptions>): Promise<void> {
    worker = new Worker({
      client,
      agentId,
      maxConcurrentTasks: 0,
      handle: () => undefined,
      onEvent: (event) => events.push(event),
      ...options,
    });
    await worker.start();
  }
  /** A gate that asks the worker at once. @returns its id */
  async function gate(text: string): Promise<string> {
    const question = { text, options: ["merge", "wait"], askedOf: [agentId] };
    return (await client.assignTask({ supervisor: "lead", taskType: "gate", question })).taskId;
  }
  const completed = (taskId: string) =>
    until("completed", async () => {
      const task = await client.getTask(taskId);
      return task.status === "completed" ? task : undefined;
    });

  it("answers by onQuestion; other messages stay in the mailbox without onMessage", async () => {
    await start({ onQuestion: ({ text, options }) => (text === "Merge?" ? options?.[0] : undefined) });
    const { messageId } = await client.sendMessage({ sender: "lead", receiver: agentId, type: "query" });
    const task = await completed(await gate("Merge?"));
    expect(task).toMatchObject({ result: "merge", question: { answeredBy: agentId } });
    expect(await client.getMessage(messageId)).toMatchObject({ status: "queued", attempt: 0 });
  });

  it("leaves open what onQuestion does not answer, and hands other messages to onMessage", async () => {
    const seen: string[] = [];
    const asked: string[] = [];
    await start({
      onQuestion: ({ text }) => {
        asked.push(text);
        return undefined;
      },
      onMessage: ({ type }) => void seen.push(type),
    });
    const taskId = await gate("Publish?");
    await client.sendMessage({ sender: "lead", receiver: agentId, type: "query" });
    await until("both came", async () => (seen.length + asked.length === 2 ? true : undefined));
    expect([seen, asked]).toEqual([["query"], ["Publish?"]]);
    expect((await client.getTask(taskId)).status).toBe("input_required");
  });

  it("gets the question again after an error, and tells of it", async () => {
    let tries = 0;
    await start({
      onQuestion: () => {
        tries += 1;
        if (tries === 1) throw new Error("not yet");
        return "wait";
      },
    });
    expect(await completed(await gate("Merge?"))).toMatchObject({ result: "wait" });
    const errors = events.filter((event) => event.type === "error" && event.during === "question");
    expect(errors).toEqual([expect.objectContaining({ error: new Error("not yet") })]);
  });
});
