import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import {
  AgentClient,
  type AskedQuestion,
  PermanentError,
  type QuestionHandler,
  Supervisor,
  type SupervisorOptions,
} from "../../../src/client/index.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

describe("a supervisor that answers questions", () => {
  let folder = "";
  let host: LocalHost;
  let client: AgentClient;
  let supervisor: Supervisor | undefined;
  let round = 0;
  let agentId: string;
  let errors: [string, string][];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
    host = await startLocalHost({}, { database: join(folder, "agents.db") });
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "hand", role: "worker", maxConcurrentTasks: 100, capabilities: ["x"] });
  });
  afterAll(async () => {
    await host?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    round++;
    agentId = `lead-${round}`;
    errors = [];
  });
  afterEach(async () => {
    await supervisor?.stop();
    supervisor = undefined;
  });

  async function start(onQuestion: QuestionHandler, options: Partial<SupervisorOptions> = {}): Promise<void> {
    const onError = (error: unknown, during: string) => errors.push([during, String(error)]);
    supervisor = new Supervisor({ client, agentId, onQuestion, onError, pollMilliseconds: 3_600_000, ...options });
    await supervisor.start();
  }
  /** A gate of the supervisor: it asks at once. @returns its id */
  async function gate(question: { text: string; options?: string[] }): Promise<string> {
    const { taskId } = await client.assignTask({ supervisor: agentId, taskType: "gate", question });
    return taskId;
  }
  const ended = (taskId: string) =>
    until("ended", async () => {
      const task = await client.getTask(taskId);
      return task.status === "completed" || task.status === "failed" ? task : undefined;
    });
  const mailboxIsEmpty = () =>
    until("mailbox empty", async () => (await client.peekMessages(agentId)).messages.length === 0);

  it("answers what a worker asks, which goes on with the answer", async () => {
    const asked: AskedQuestion[] = [];
    await start(async (question) => {
      asked.push(question);
      return { port: 8_080 };
    });
    const task = { supervisor: agentId, taskType: "serve", requiredCapabilities: ["x"] };
    const { taskId } = await client.assignTask(task);
    const schema = { type: "object" as const, properties: { port: { type: "integer" as const } }, required: ["port"] };
    const question = { text: "Which port?", schema, timeoutSeconds: 600 };
    await client.suspendTask(taskId, { agentId: "hand", attempt: 1, until: { question } });
    const resumed = await until("resumed", async () => {
      const found = await client.getTask(taskId);
      return found.resumedBy === "answered" ? found : undefined;
    });
    expect(resumed.question).toMatchObject({ answer: { port: 8_080 }, answeredBy: agentId });
    expect(asked).toEqual([
      {
        taskId,
        taskType: "serve",
        questionId: resumed.question?.questionId,
        text: "Which port?",
        schema,
        authoredBy: "hand",
        expiresAt: resumed.question?.expiresAt,
      },
    ]);
    await mailboxIsEmpty();
    expect(errors).toEqual([]);
  });

  it("leaves open what it does not answer: a person does", async () => {
    const asked: string[] = [];
    await start(({ text, options }) => {
      asked.push(text);
      return text === "Easy?" ? options?.[0] : undefined;
    });
    const [easy, hard] = [await gate({ text: "Easy?", options: ["yes", "no"] }), await gate({ text: "Hard?" })];
    expect(await ended(easy)).toMatchObject({ status: "completed", result: "yes" });
    await until("asked", () => asked.includes("Hard?"));
    await mailboxIsEmpty();
    const { questions } = await client.listQuestions({ agentId });
    expect(questions).toMatchObject([{ taskId: hard, text: "Hard?", state: "open" }]);
    await client.answerTask(hard, { agentId, questionId: questions[0]?.questionId ?? "", answer: "maybe" });
    expect(await ended(hard)).toMatchObject({ result: "maybe" });
    expect([asked.sort(), errors]).toEqual([["Easy?", "Hard?"], []]);
  });

  it("asks again when its user's code throws or the answer does not fit, and stays alive", async () => {
    const tries: unknown[] = [() => Promise.reject(new Error("the model is busy")), "perhaps", () => 1n, "yes"];
    await start(() => {
      const next = tries.shift();
      return typeof next === "function" ? next() : next;
    });
    const taskId = await gate({ text: "Deploy?", options: ["yes", "no"] });
    expect(await ended(taskId)).toMatchObject({ status: "completed", result: "yes" });
    expect(errors.map(([during]) => during)).toEqual(["question", "question", "question"]);
    expect(errors.map(([, error]) => error)).toEqual([
      expect.stringContaining("the model is busy"),
      expect.stringContaining("answer"),
      expect.stringContaining("JSON"),
    ]);
  });

  it("leaves a question open at once after a PermanentError", async () => {
    let calls = 0;
    await start(() => {
      calls++;
      throw new PermanentError("not mine to say");
    });
    const taskId = await gate({ text: "Deploy?" });
    await until("dead letter", async () => (await client.listDeadLetters({ receiver: agentId })).messages.length === 1);
    expect([calls, errors]).toEqual([1, [["question", expect.stringContaining("not mine to say")]]]);
    expect((await client.getTask(taskId)).status).toBe("input_required");
  });

  it("is no error when another answer was first", async () => {
    const answered = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<AskedQuestion>();
    await start(async (question) => {
      entered.resolve(question);
      await answered.promise;
      return "mine";
    });
    const taskId = await gate({ text: "Who?" });
    const { questionId } = await entered.promise;
    await client.answerTask(taskId, { agentId, questionId, answer: "theirs" });
    answered.resolve();
    await supervisor?.stop();
    expect([(await ended(taskId)).result, errors]).toEqual(["theirs", []]);
  });

  it("gives questions to onQuestion, and the other messages to onMessage", async () => {
    const [asked, others]: [string[], string[]] = [[], []];
    await start(
      ({ text }) => {
        asked.push(text);
        return "ok";
      },
      { onMessage: ({ type }) => void others.push(type) },
    );
    const taskId = await gate({ text: "Ok?" });
    await client.sendMessage({ sender: "hand", receiver: agentId, type: "query" });
    await ended(taskId);
    await until("query handled", () => others.length > 0);
    await mailboxIsEmpty();
    expect([asked, others]).toEqual([["Ok?"], ["query"]]);
  });

  it("answers none that an agent has forged: the message is a dead letter", async () => {
    const asked: string[] = [];
    await start(({ text }) => {
      asked.push(text);
      return undefined;
    });
    const taskId = await gate({ text: "Real?" });
    await until("asked", () => asked.length > 0);
    const payload = { taskId, taskType: "gate", questionId: "1", question: { text: "Forged?" }, authoredBy: agentId };
    // The service refuses to take one from an agent. This one is as a server of an earlier version would have kept it.
    const message = { sender: "hand", receiver: agentId, type: "notification", payload, delaySeconds: 3_600 };
    const { messageId } = await client.sendMessage(message);
    const database = new DatabaseSync(host.database, { timeout: 5_000 });
    const row = database
      .prepare("UPDATE message_bodies SET type = 'task_question' WHERE message_id = ? RETURNING arrival")
      .get(messageId);
    database
      .prepare(`UPDATE messages SET available_at = accepted_at,
        stream_type = CASE WHEN stream_type IS NOT NULL THEN 'task_question' END WHERE arrival = ?`)
      .run(Number(row?.arrival));
    database.close();
    await until("dead letter", async () => (await client.getMessage(messageId)).status === "dead_lettered");
    expect(await client.getMessage(messageId)).toMatchObject({
      reason: "task_question is written only by the switchboard, and this one was sent by hand",
    });
    expect(asked).toEqual(["Real?"]);
    expect((await client.getTask(taskId)).status).toBe("input_required");
  });
});
