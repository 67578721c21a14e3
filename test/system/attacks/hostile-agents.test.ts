import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { AgentClient } from "../../../src/client/agent-client.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";

/** Agents with good credentials of their own that want what is others', against a real process: each gets nothing. */

interface Agent {
  agentId: string;
  client: AgentClient;
}

let host: RequiredProcess;
let lead: Agent;
let victim: Agent;
let mallory: Agent;
let malloryLead: Agent;
let observer: Agent;

beforeAll(async () => {
  host = await startRequiredProcess();
  lead = await host.agent("lead", "supervisor");
  victim = await host.agent("victim");
  mallory = await host.agent("mallory");
  malloryLead = await host.agent("mallory-lead", "supervisor");
  observer = await host.agent("observer", "observer");
});
afterAll(() => host.stop());

/** What a call is answered: "accepted", or its code. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "accepted";
  } catch (error) {
    if (isAgentCommunicationError(error)) return error.code;
    throw error;
  }
}

/** Every code of these calls, by name. */
async function codesOf(calls: Readonly<Record<string, Promise<unknown>>>): Promise<Record<string, string>> {
  const codes = Object.entries(calls).map(async ([name, call]) => [name, await codeOf(call)] as const);
  return Object.fromEntries(await Promise.all(codes));
}

const all = (names: Readonly<Record<string, unknown>>, code: string) =>
  Object.fromEntries(Object.keys(names).map((name) => [name, code]));

/** A message that the victim holds, in its first attempt. */
async function held(): Promise<string> {
  const message = { sender: "lead", receiver: "victim", type: "query", payload: { secret: 1 } } as const;
  const { messageId } = await lead.client.sendMessage(message);
  const { messages } = await victim.client.receiveMessages("victim", { maxMessages: 50 });
  expect(messages.map((message) => message.messageId)).toContain(messageId);
  return messageId;
}

describe("in the name of others", () => {
  it("nothing is sent, received or looked at", async () => {
    await lead.client.sendMessage({ sender: "lead", receiver: "victim", type: "query", payload: { secret: 1 } });
    const { client } = mallory;
    const message = { receiver: "victim", type: "query" } as const;
    const calls = {
      send: client.sendMessage({ ...message, sender: "lead" }),
      "send as system": client.sendMessage({ ...message, sender: "system" }),
      batch: client.sendMessages([
        { ...message, sender: "mallory" },
        { ...message, sender: "lead" },
      ]),
      receive: client.receiveMessages("victim"),
      peek: client.peekMessages("victim"),
      heartbeat: client.heartbeat("victim", { status: "draining" }),
      "read agent": client.getAgent("victim"),
      deregister: client.deregisterAgent("victim"),
      register: client.registerAgent({ agentId: "victim", role: "worker", capabilities: ["mine"] }),
    };
    const codes = await codesOf(calls);
    expect(codes).toEqual({ ...all(calls, "FORBIDDEN"), "send as system": expect.stringMatching(/FORBIDDEN|INVALID/) });
    expect((await victim.client.getAgent("victim")).status).toBe("active");
    expect((await victim.client.receiveMessages("victim")).messages).toHaveLength(1);
  });

  it("no message is settled, held or freed", async () => {
    const messageId = await held();
    const as = (agentId: string) => ({ agentId, attempt: 1 });
    const calls = {
      complete: mallory.client.completeMessage(messageId, as("victim")),
      retry: mallory.client.retryMessage(messageId, as("victim")),
      "dead-letter": mallory.client.deadLetterMessage(messageId, as("victim")),
      renew: mallory.client.renewMessage(messageId, { ...as("victim"), leaseSeconds: 1 }),
      settle: mallory.client.settleMessages({
        agentId: "victim",
        settlements: [{ messageId, attempt: 1, outcome: "complete" }],
      }),
    };
    expect(await codesOf(calls)).toEqual(all(calls, "FORBIDDEN"));
    const asItself = {
      complete: mallory.client.completeMessage(messageId, as("mallory")),
      retry: mallory.client.retryMessage(messageId, as("mallory")),
      "dead-letter": mallory.client.deadLetterMessage(messageId, as("mallory")),
      renew: mallory.client.renewMessage(messageId, as("mallory")),
    };
    expect(await codesOf(asItself)).toEqual(all(asItself, "LEASE_LOST"));
    expect(await codeOf(mallory.client.getMessage(messageId))).toBe("MESSAGE_NOT_FOUND");
    expect(await victim.client.completeMessage(messageId, as("victim"))).toMatchObject({ status: "completed" });
  });

  it("no task is assigned, done, read or cancelled", async () => {
    const { taskId } = await lead.client.assignTask({
      supervisor: "lead",
      assignTo: "victim",
      taskType: "work",
      description: "secret",
      parameters: { secret: 1 },
    });
    const as = (agentId: string) => ({ agentId, attempt: 1 });
    const worker = mallory.client;
    const named = {
      start: worker.startTask(taskId, as("victim")),
      progress: worker.progressTask(taskId, { ...as("victim"), percent: 99 }),
      complete: worker.completeTask(taskId, { ...as("victim"), result: "forged" }),
      fail: worker.failTask(taskId, { ...as("victim"), error: "forged" }),
      assign: worker.assignTask({ supervisor: "mallory", taskType: "x", description: "x" }),
      "assign as lead": malloryLead.client.assignTask({ supervisor: "lead", taskType: "x", description: "x" }),
      preview: malloryLead.client.previewTask({ supervisor: "lead", taskType: "x", description: "x" }),
      list: malloryLead.client.listTasks({ supervisor: "lead" }),
      "list a worker's": worker.listTasks({ assignedTo: "victim" }),
      cancel: worker.cancelTask(taskId),
    };
    expect(await codesOf(named)).toEqual(all(named, "FORBIDDEN"));
    const asItself = {
      start: worker.startTask(taskId, as("mallory")),
      complete: worker.completeTask(taskId, { ...as("mallory"), result: "forged" }),
      fail: worker.failTask(taskId, { ...as("mallory"), error: "forged" }),
    };
    expect(await codesOf(asItself)).toEqual(all(asItself, "LEASE_LOST"));
    const unseen = {
      read: worker.getTask(taskId),
      history: worker.getTaskHistory(taskId),
      cancel: malloryLead.client.cancelTask(taskId),
      "read as a supervisor": malloryLead.client.getTask(taskId),
      explain: malloryLead.client.getAssignments(taskId),
    };
    expect(await codesOf(unseen)).toEqual(all(unseen, "TASK_NOT_FOUND"));
    const after = malloryLead.client.assignTask({
      supervisor: "mallory-lead",
      taskType: "x",
      description: "x",
      dependsOn: [taskId],
    });
    expect(await codeOf(after)).toBe("DEPENDENCY_INVALID");
    expect((await malloryLead.client.listTasks()).tasks).toEqual([]);
    // However many tasks of its own it names before it.
    const tasks = Array.from({ length: 110 }, (_, n) => ({
      ref: `t${n}`,
      taskType: "x",
      requiredCapabilities: ["nobody-has-it"],
    }));
    const { taskIds } = await malloryLead.client.createWorkflow({ supervisor: "mallory-lead", tasks });
    const behindAll = (...dependsOn: string[]) =>
      malloryLead.client.assignTask({ supervisor: "mallory-lead", taskType: "x", dependsOn });
    expect(await codeOf(behindAll(...Object.values(taskIds), taskId))).toBe("DEPENDENCY_INVALID");
    expect((await behindAll(...Object.values(taskIds))).status).toBe("blocked");
    const done = await victim.client.completeTask(taskId, { ...as("victim"), result: "mine" });
    expect(done).toMatchObject({ status: "completed" });
    expect((await lead.client.getTask(taskId)).result).toBe("mine");
  });

  it("nothing is administered", async () => {
    for (const { client, agentId } of [mallory, malloryLead, observer]) {
      const calls = {
        issue: client.issueCredential({ kind: "token", agentId }),
        "issue another's": client.issueCredential({ kind: "token", agentId: "admin" }),
        list: client.listCredentials(),
        revoke: client.revokeCredential(randomUUID().replace(/-4/, "-7")),
        audit: client.listAudit(),
        maintain: client.runMaintenance(),
        redrive: client.redriveDeadLetters({ filter: {} }),
        purge: client.purgeDeadLetters({ filter: {} }),
        type: client.putMessageType("mine", true),
      };
      expect([agentId, await codesOf(calls)]).toEqual([agentId, all(calls, "FORBIDDEN")]);
    }
  });
});

describe("channels of others", () => {
  it("are neither written, read nor changed, and read as if they were not there", async () => {
    await lead.client.createChannel({ name: "private", kind: "work_queue" });
    await lead.client.addChannelMember("private", "victim");
    await lead.client.sendMessage({ sender: "lead", receiver: "#private", type: "query", payload: { secret: 1 } });
    const calls = (name: string) => ({
      read: mallory.client.getChannel(name),
      members: mallory.client.listChannelMembers(name),
      join: mallory.client.addChannelMember(name, "mallory"),
      expel: mallory.client.removeChannelMember(name, "victim"),
      delete: mallory.client.deleteChannel(name),
      peek: mallory.client.peekChannel(name),
      receive: mallory.client.receiveFromChannel(name, { agentId: "mallory" }),
      post: mallory.client.sendMessage({ sender: "mallory", receiver: `#${name}`, type: "query" }),
    });
    const [there, absent] = [await codesOf(calls("private")), await codesOf(calls("nowhere"))];
    expect(there).toEqual(all(there, "CHANNEL_FORBIDDEN"));
    expect(absent).toEqual(there);
    const inName = mallory.client.receiveFromChannel("private", { agentId: "victim" });
    expect(await codeOf(inName)).toBe("FORBIDDEN");
    const { messages } = await victim.client.receiveFromChannel("private", { agentId: "victim" });
    expect(messages).toMatchObject([{ payload: { secret: 1 }, attempt: 1 }]);
  });
});

describe("attempts that are over", () => {
  it("settle nothing, neither a message nor a task", async () => {
    const { messageId } = await lead.client.sendMessage({ sender: "lead", receiver: "victim", type: "notification" });
    const receive = async () => (await victim.client.receiveMessages("victim", { types: ["notification"] })).messages;
    expect(await receive()).toMatchObject([{ messageId, attempt: 1 }]);
    await victim.client.retryMessage(messageId, { agentId: "victim", attempt: 1, delaySeconds: 0 });
    expect(await receive()).toMatchObject([{ messageId, attempt: 2 }]);
    for (const attempt of [1, 3, 2_147_483_647]) {
      expect(await codeOf(victim.client.completeMessage(messageId, { agentId: "victim", attempt }))).toBe("LEASE_LOST");
    }
    const stale = { agentId: "victim", settlements: [{ messageId, attempt: 1, outcome: "dead_letter" as const }] };
    expect((await victim.client.settleMessages(stale)).results).toMatchObject([{ status: "lease_lost" }]);
    await victim.client.completeMessage(messageId, { agentId: "victim", attempt: 2 });

    const { taskId } = await lead.client.assignTask({
      supervisor: "lead",
      assignTo: "victim",
      taskType: "work",
      description: "twice",
    });
    await victim.client.failTask(taskId, { agentId: "victim", attempt: 1, error: "once more" });
    const late = victim.client.completeTask(taskId, { agentId: "victim", attempt: 1, result: "late" });
    expect(await codeOf(late)).toBe("LEASE_LOST");
    expect((await lead.client.getTask(taskId)).status).not.toBe("completed");
  });

  it("of somebody else's claim bring nothing", async () => {
    await lead.client.sendMessage({ sender: "lead", receiver: "victim", type: "response", payload: { secret: 1 } });
    const claimId = "guessed-claim";
    const { messages } = await victim.client.receiveMessages("victim", { types: ["response"], claimId });
    expect(messages).toHaveLength(1);
    expect(await mallory.client.receiveMessages("mallory", { types: ["response"], claimId })).toEqual({ messages: [] });
  });
});

describe("takeover", () => {
  it("by registering again: neither another's id, nor another role", async () => {
    const { client } = mallory;
    const calls = {
      victim: client.registerAgent({ agentId: "victim", role: "worker" }),
      admin: client.registerAgent({ agentId: "admin", role: "admin" }),
      raised: client.registerAgent({ agentId: "mallory", role: "admin" }),
      supervisor: client.registerAgent({ agentId: "mallory", role: "supervisor" }),
      new: client.registerAgent({ agentId: "mallory-2", role: "worker" }),
    };
    expect(await codesOf(calls)).toEqual(all(calls, "FORBIDDEN"));
    expect((await host.admin.getAgent("mallory")).role).toBe("worker");
  });

  it("by enrolment: of no id that is there, or ever was", async () => {
    await host.agent("gone-1");
    await host.admin.deregisterAgent("gone-1");
    const { secret = "" } = await host.admin.issueCredential({
      kind: "enrolment",
      roles: ["worker", "supervisor"],
      agentIdPrefix: "g",
      maxUses: 10,
      expiresInSeconds: 600,
    });
    const key = host.client(secret);
    for (const role of ["worker", "supervisor"] as const) {
      expect(await codeOf(key.registerAgent({ agentId: "gone-1", role }))).toBe("ID_TAKEN");
      expect(await codeOf(key.registerAgent({ agentId: "victim", role }))).toBe("FORBIDDEN");
    }
    expect((await host.admin.getAgent("gone-1")).status).toBe("deregistered");
  });

  it("of ids of messages and tasks: neither seen nor written over", async () => {
    const messageId = randomUUID();
    await lead.client.sendMessage({ messageId, sender: "lead", receiver: "victim", type: "query", payload: "first" });
    const again = { messageId, sender: "mallory", receiver: "victim", type: "query", payload: "first" } as const;
    expect(await codeOf(mallory.client.sendMessage(again))).toBe("ID_TAKEN");
    const key = { idempotencyKey: "the-same-key" };
    const send = (agent: Agent) =>
      agent.client.call(
        "POST /messages",
        { body: { sender: agent.agentId, receiver: "victim", type: "query", payload: agent.agentId } },
        key,
      );
    const [one, other] = [await send(lead), await send(mallory)];
    expect([one.duplicate, other.duplicate, one.messageId === other.messageId]).toEqual([false, false, false]);
    const { taskId } = await lead.client.assignTask({
      taskId: "build-1",
      supervisor: "lead",
      taskType: "x",
      description: "x",
    });
    const taken = malloryLead.client.assignTask({
      taskId,
      supervisor: "mallory-lead",
      taskType: "x",
      description: "x",
    });
    expect(await codeOf(taken)).toBe("ID_TAKEN");
  });
});

describe("what is not one's own", () => {
  /** Status, code and words of an answer, without ids. */
  async function seen(token: string, method: string, path: string, body?: unknown): Promise<string> {
    const answer = await fetch(`${host.baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const headers = [...answer.headers].filter(([name]) => !["date", "content-length"].includes(name));
    return JSON.stringify([answer.status, headers, await answer.text()]);
  }

  it("looks like what is not there, byte for byte but for the id that was asked for", async () => {
    const { token } = await host.agent("prober");
    const { token: supervising } = await host.agent("probing-lead", "supervisor");
    const messageId = await held();
    const { taskId } = await lead.client.assignTask({
      supervisor: "lead",
      assignTo: "victim",
      taskType: "work",
      description: "probed",
    });
    await lead.client.createChannel({ name: "probed", kind: "broadcast" });
    const own = { agentId: "prober", attempt: 1 };
    const asks: readonly (readonly [string, string, string, string, unknown?])[] = [
      [token, "GET", "/agents/*", "victim"],
      [token, "POST", "/agents/*/heartbeat", "victim", {}],
      [token, "POST", "/agents/*/messages/receive", "victim", {}],
      [token, "GET", "/agents/*/messages", "victim"],
      [token, "DELETE", "/agents/*", "victim"],
      [token, "GET", "/messages/*", messageId],
      [token, "POST", "/messages/*/complete", messageId, own],
      [token, "POST", "/messages/*/retry", messageId, own],
      [token, "POST", "/messages/*/dead-letter", messageId, own],
      [token, "POST", "/messages/*/renew", messageId, own],
      [token, "GET", "/tasks/*", taskId],
      [token, "GET", "/tasks/*/history", taskId],
      [token, "POST", "/tasks/*/start", taskId, own],
      [token, "POST", "/tasks/*/progress", taskId, own],
      [token, "POST", "/tasks/*/complete", taskId, own],
      [token, "POST", "/tasks/*/fail", taskId, { ...own, error: "x" }],
      [supervising, "GET", "/tasks/*", taskId],
      [supervising, "GET", "/tasks/*/assignment", taskId],
      [supervising, "POST", "/tasks/*/cancel", taskId, {}],
      [supervising, "GET", "/channels/*", "probed"],
      [supervising, "GET", "/channels/*/members", "probed"],
      [supervising, "DELETE", "/channels/*", "probed"],
      [token, "POST", "/channels/*/messages/receive", "probed", { agentId: "prober" }],
    ];
    for (const [who, method, path, id, body] of asks) {
      const absent = id.replaceAll(/[0-9a-z]/g, (letter) =>
        letter === "z" ? "y" : letter === "9" ? "8" : String.fromCharCode(letter.charCodeAt(0) + 1),
      );
      const there = await seen(who, method, path.replace("*", id), body);
      const nowhere = await seen(who, method, path.replace("*", absent), body);
      expect([method, path, nowhere.replaceAll(absent, id)]).toEqual([method, path, there]);
      expect(there).not.toMatch(/^\[2/);
    }
    const settle = (id: string) =>
      seen(token, "POST", "/messages/settle", {
        agentId: "prober",
        settlements: [{ messageId: id, attempt: 1, outcome: "complete" }],
      });
    const absent = randomUUID();
    expect((await settle(absent)).replaceAll(absent, messageId)).toBe(await settle(messageId));
    await victim.client.completeMessage(messageId, { agentId: "victim", attempt: 1 });
  });

  it("an observer sees who, when and how, but not what", async () => {
    const payload = { secret: "do-not-show-1" };
    const { messageId } = await lead.client.sendMessage({ sender: "lead", receiver: "victim", type: "query", payload });
    const { taskId } = await lead.client.assignTask({
      supervisor: "lead",
      taskType: "x",
      description: "do-not-show-2",
      parameters: payload,
    });
    const shown = JSON.stringify([
      await observer.client.getMessage(messageId),
      await observer.client.peekMessages("victim"),
      await observer.client.getTask(taskId),
      await observer.client.getTaskHistory(taskId),
      await observer.client.listTasks(),
      await observer.client.listDeadLetters(),
    ]);
    expect(shown).toContain(messageId);
    expect(shown).not.toContain("do-not-show");
  });

  it("nor confirmed by a filter", async () => {
    const { client } = observer;
    expect(await codeOf(client.listDeadLetters({ reason: "a guess" }))).toBe("FORBIDDEN");
    expect(await codeOf(client.listDeadLetters({ receiver: "victim" }))).toBe("accepted");
  });
});
