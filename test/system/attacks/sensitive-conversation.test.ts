import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost, stopProcess } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";
import { runFile } from "../../support/run-process.ts";

/** A sensitive conversation through the real process: what was said is on no disk and in no output. */

/** Told apart from everything else that there could be. */
const MARKS = ["payload", "parameters", "result", "refused"].map((what) => `sensitive-${what}-4f1c`);
const [PAYLOAD = "", PARAMETERS = "", RESULT = "", REFUSED = ""] = MARKS;

let host: LocalHost;
let client: AgentClient;

beforeAll(async () => {
  host = await startLocalHost({ AGENT_TASK_RETENTION_DAYS: "0.0000001" });
  client = new AgentClient({ baseUrl: host.baseUrl });
});
afterAll(() => host.stop());

const folder = () => dirname(host.database);

/** Files in the folder of the database, the write-ahead log among them, that hold any of the marks. */
async function filesWithMarks(): Promise<string[]> {
  const names = await readdir(folder());
  expect(names).toEqual(expect.arrayContaining(["agents.db", "agents.db-wal", "keys.jsonl"]));
  const found: string[] = [];
  for (const name of names) {
    const bytes = await readFile(join(folder(), name));
    if (MARKS.some((mark) => bytes.includes(mark))) found.push(name);
  }
  return found;
}

async function converse(sensitive: boolean): Promise<void> {
  const taskId = `task-${sensitive}`;
  const message = { sender: "lead", receiver: "digger", type: "query", payload: { mark: PAYLOAD }, sensitive };
  for (const n of [1, 2, 3]) await client.sendMessage({ ...message, messageId: `m${n}-${sensitive}` });
  await client.sendMessages([message, { ...message, payload: `${PAYLOAD} again` }]);
  const { messages } = await client.receiveMessages("digger", { maxMessages: 10 });
  const texts = messages.map(({ payload }) => JSON.stringify(payload));
  expect(texts.filter((text) => text.includes(PAYLOAD)).length).toBeGreaterThanOrEqual(5);
  const outcomes = ["complete", "retry", "dead_letter", "complete", "complete"] as const;
  const settlements = messages.map(({ messageId, attempt }, n) => ({
    messageId,
    attempt,
    outcome: outcomes[n] ?? "complete",
  }));
  await client.settleMessages({ agentId: "digger", settlements });
  await postToChannels(sensitive);
  const task = { taskId, supervisor: "lead", taskType: "dig", requiredCapabilities: ["dig"], sensitive };
  await client.assignTask({ ...task, parameters: { mark: PARAMETERS } });
  await client.receiveMessages("digger", {});
  await client.startTask(taskId, { agentId: "digger", attempt: 1 });
  await client.completeTask(taskId, { agentId: "digger", attempt: 1, result: { mark: RESULT } });
  await client.receiveMessages("lead", {});
  // Refused, but it has been here.
  const other = { ...message, messageId: `m1-${sensitive}`, payload: REFUSED };
  await expect(client.sendMessage(other)).rejects.toMatchObject({ code: "IDEMPOTENCY_MISMATCH" });
  expect(await archived(taskId)).toMatchObject({ result: { mark: RESULT } });
}

/** The retention is 9 ms, and a fast machine gets here sooner: one run of the maintenance may find the task too young. */
async function archived(taskId: string) {
  return until("the task is archived", async () => {
    await client.runMaintenance();
    const task = await client.getTask(taskId);
    return task.archived ? task : undefined;
  });
}

/** Each member has a copy of its own; of a work queue one member has the message. */
async function postToChannels(sensitive: boolean): Promise<void> {
  for (const kind of ["broadcast", "work_queue"] as const) {
    const name = `${kind}-${sensitive}`;
    await client.createChannel({ name, kind, members: ["digger", "lead"] });
    const post = { sender: "lead", receiver: `#${name}`, type: "query", payload: { mark: PAYLOAD }, sensitive };
    const { messageId } = await client.sendMessage(post);
    expect(await client.getMessage(messageId)).toMatchObject({ payload: { mark: PAYLOAD }, channel: name });
  }
  for (const agentId of ["digger", "lead"]) {
    const { messages } = await client.receiveMessages(agentId, { maxMessages: 10 });
    const copies = messages.filter(({ channel }) => channel !== undefined);
    expect(copies).toMatchObject([{ payload: { mark: PAYLOAD }, channel: `broadcast-${sensitive}` }]);
  }
  const work = await client.receiveFromChannel(`work_queue-${sensitive}`, { agentId: "digger" });
  expect(work.messages).toMatchObject([{ payload: { mark: PAYLOAD }, holder: "digger" }]);
}

describe("a conversation", () => {
  beforeAll(async () => {
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "digger", role: "worker", capabilities: ["dig"] });
  });

  it("that is sensitive leaves nothing that was said on the disk, or in what the service prints", async () => {
    await converse(true);
    expect(await filesWithMarks()).toEqual([]);
    expect(MARKS.filter((mark) => host.output().includes(mark))).toEqual([]);
  });

  it("has its key beside the database, for the owner only", async () => {
    if (process.platform !== "win32") expect((await stat(join(folder(), "keys.jsonl"))).mode & 0o777).toBe(0o600);
  });

  it("can be encrypted again from the command line, with a new version of the key", async () => {
    const rotate = (...words: string[]) =>
      runFile("src/cli/main.ts", ["--url", host.baseUrl, "--json", "rotate-keys", ...words]);
    const first = await rotate("--new-version");
    expect([first.code, first.error]).toEqual([0, ""]);
    const report: { keyVersion: string; reencrypted: number; left: number } = JSON.parse(first.out);
    expect(report).toMatchObject({ undecryptable: 0, left: 0 });
    expect(report.reencrypted).toBeGreaterThan(5);
    expect(JSON.parse((await rotate()).out)).toEqual({ ...report, reencrypted: 0, undecryptable: 0 });
    expect(await client.getTask("task-true")).toMatchObject({ parameters: { mark: PARAMETERS } });
    expect(await filesWithMarks()).toEqual([]);
  });

  it("can be read by the process after this one, and by the command line", async () => {
    await stopProcess(host.process);
    const again = await startLocalHost({}, { database: host.database });
    try {
      const reader = new AgentClient({ baseUrl: again.baseUrl });
      expect(await reader.getMessage("m1-true")).toMatchObject({ payload: { mark: PAYLOAD }, sensitive: true });
      const words = ["--url", again.baseUrl, "--json"];
      const send = ["send", "digger", "--from", "lead", "--payload", '"cli"', "--sensitive", "--message-id", "m-cli"];
      expect(await runFile("src/cli/main.ts", [...words, ...send])).toMatchObject({ code: 0 });
      expect(await reader.getMessage("m-cli")).toMatchObject({ payload: "cli", sensitive: true });
    } finally {
      await stopProcess(again.process);
    }
  });

  it("that is not sensitive would have been found: the search finds what there is", async () => {
    const plain = await startLocalHost({ AGENT_TASK_RETENTION_DAYS: "0.0000001" }, { database: host.database });
    try {
      client = new AgentClient({ baseUrl: plain.baseUrl });
      await converse(false);
      expect(await filesWithMarks()).not.toEqual([]);
    } finally {
      await stopProcess(plain.process);
    }
  });
});
