import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  bearer,
  type GuardedAnswer,
  type GuardedAsk,
  type GuardedHost,
  startGuardedHost,
} from "../support/guarded-host.ts";

/**
 * An agent with a valid token of its own that wants what is others': their mailboxes, leases, tasks, names, ids and channels.
 * It gets nothing, and learns nothing from how it is refused. (Credentials that are not valid: required-gate, entra-tokens,
 * client-certificates and tls.)
 */

interface Party {
  agentId: string;
  token: string;
}

let host: GuardedHost;
let mallory: Party;
let victim: Party;
let lead: Party;

beforeAll(async () => {
  host = await startGuardedHost();
  [mallory, victim, lead] = await Promise.all([
    host.agent("worker", "mallory"),
    host.agent("worker", "victim"),
    host.agent("supervisor", "lead"),
  ]);
});

afterAll(async () => {
  await host.stop();
});

const as = (party: Party, method: string, path: string, body?: unknown, headers: GuardedAsk["headers"] = {}) =>
  host.ask(method, path, { headers: { ...bearer(party.token), ...headers }, body });

/** What an answer tells beside the ids that the caller itself has named. */
const told = ({ status, text }: GuardedAnswer, ...named: string[]) =>
  `${status} ${named.reduce((rest, id) => rest.replaceAll(id, "<id>"), text)}`;

async function messageToVictim(): Promise<string> {
  const body = { sender: lead.agentId, receiver: victim.agentId, type: "query", payload: { secret: "for the victim" } };
  return (await as(lead, "POST", "/messages", body)).json.messageId;
}

async function taskOfVictim(): Promise<string> {
  const body = { supervisor: lead.agentId, assignTo: victim.agentId, taskType: "t", parameters: { secret: "of lead" } };
  const { json } = await as(lead, "POST", "/tasks", body);
  expect(json).toMatchObject({ status: "assigned", assignedTo: victim.agentId });
  return json.taskId;
}

describe("another agent's id", () => {
  const BODY = { agentId: "victim", attempt: 1 };
  const MESSAGE = { sender: "victim", receiver: "lead", type: "query", payload: "do as the victim says" };

  it.each<[string, string, unknown]>([
    ["POST", "/agents", { agentId: "victim", role: "worker", maxConcurrentTasks: 0 }],
    ["GET", "/agents/victim", undefined],
    ["DELETE", "/agents/victim", undefined],
    ["POST", "/agents/victim/heartbeat", { status: "draining" }],
    ["POST", "/agents/victim/messages/receive", {}],
    ["GET", "/agents/victim/messages", undefined],
    ["POST", "/messages", MESSAGE],
    ["POST", "/messages", { ...MESSAGE, sender: "system" }],
    ["POST", "/messages/batch", { messages: [{ ...MESSAGE, sender: "mallory" }, MESSAGE] }],
    [
      "POST",
      "/messages/settle",
      { agentId: "victim", settlements: [{ messageId: "m", attempt: 1, outcome: "complete" }] },
    ],
    ["POST", "/messages/m/complete", BODY],
    ["POST", "/tasks/t/start", BODY],
    ["POST", "/tasks/t/complete", { ...BODY, result: "mine" }],
    ["POST", "/tasks", { supervisor: "lead", taskType: "t" }],
    ["POST", "/tasks/t/cancel", {}],
    ["GET", "/tasks?assignedTo=victim", undefined],
    ["POST", "/credentials", { kind: "token", agentId: "victim" }],
    ["GET", "/audit", undefined],
    ["POST", "/maintenance", {}],
  ])("%s %s is forbidden", async (method, path, body) => {
    expect((await as(mallory, method, path, body)).code).toBe("FORBIDDEN");
  });

  it("is as forbidden in the X-Agent-Id header, and changes nothing", async () => {
    const answer = await as(mallory, "POST", "/agents/victim/heartbeat", {}, { "x-agent-id": "victim" });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    const { json } = await as(victim, "GET", "/agents/victim");
    expect(json).toMatchObject({ status: "active", role: "worker", maxConcurrentTasks: 10 });
  });

  it("as the receiver of a message is fine: it says who sent it, whatever its payload claims", async () => {
    const body = {
      sender: "mallory",
      receiver: "victim",
      type: "query",
      payload: { sender: "lead", senderRole: "admin" },
    };
    expect((await as(mallory, "POST", "/messages", body)).code).toBe("accepted");
    const { json } = await as(victim, "POST", "/agents/victim/messages/receive", {});
    expect(json.messages[0]).toMatchObject({ sender: "mallory", senderRole: "worker", senderCredential: "token" });
  });
});

describe("somebody else's lease", () => {
  it("cannot be settled, renewed or finished, in any attempt", async () => {
    const messageId = await messageToVictim();
    const leased = await as(victim, "POST", "/agents/victim/messages/receive", { maxMessages: 10 });
    expect(leased.json.messages.map((message: { messageId: string }) => message.messageId)).toContain(messageId);
    const taskId = await taskOfVictim();
    for (const attempt of [1, 2]) {
      const body = { agentId: "mallory", attempt };
      for (const step of ["complete", "retry", "dead-letter", "renew"]) {
        expect((await as(mallory, "POST", `/messages/${messageId}/${step}`, body)).code).toBe("LEASE_LOST");
      }
      for (const step of ["start", "progress", "complete"]) {
        expect((await as(mallory, "POST", `/tasks/${taskId}/${step}`, body)).code).toBe("LEASE_LOST");
      }
    }
    const own = { agentId: "victim", attempt: 1 };
    expect((await as(victim, "POST", `/messages/${messageId}/complete`, own)).code).toBe("accepted");
    expect((await as(victim, "POST", `/tasks/${taskId}/complete`, own)).code).toBe("accepted");
  });

  it("is not kept by an attempt that has ended", async () => {
    const messageId = await messageToVictim();
    await as(victim, "POST", "/agents/victim/messages/receive", { maxMessages: 10, leaseSeconds: 1 });
    host.clock.advance(2_000);
    await as(victim, "POST", "/agents/victim/messages/receive", { maxMessages: 10, leaseSeconds: 60 });
    const settle = (attempt: number) =>
      as(victim, "POST", `/messages/${messageId}/complete`, { agentId: "victim", attempt });
    expect((await settle(1)).code).toBe("LEASE_LOST");
    expect((await settle(2)).code).toBe("accepted");
    expect((await settle(1)).code).toBe("LEASE_LOST");
  });
});

describe("a name", () => {
  const registering = (agentId: string, role = "worker") => ({ agentId, role });

  it("cannot be taken over by registering again, nor can a role be had so", async () => {
    expect((await as(mallory, "POST", "/agents", registering("victim"))).code).toBe("FORBIDDEN");
    expect((await as(mallory, "POST", "/agents", registering("mallory", "admin"))).code).toBe("FORBIDDEN");
    expect((await as(mallory, "POST", "/agents", registering("brand-new"))).code).toBe("FORBIDDEN");
  });

  it("cannot be taken over with an enrolment key, also when its agent has gone", async () => {
    const gone = await host.agent("worker", "gone-1");
    await as(gone, "DELETE", "/agents/gone-1");
    const { secret } = await host.issue({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: "gone-",
      maxUses: 5,
      expiresInSeconds: 60,
    });
    const holder = { agentId: "", token: secret };
    expect((await as(holder, "POST", "/agents", registering("gone-1"))).code).toBe("ID_TAKEN");
    expect((await as(holder, "POST", "/agents", registering("victim"))).code).toBe("FORBIDDEN");
    expect((await as(holder, "POST", "/agents", registering("gone-2", "supervisor"))).code).toBe("FORBIDDEN");
    // A stolen key and Idempotency-Key bring nothing once the token that came with them is in use.
    const once = { "idempotency-key": "machine-7" };
    const first = await as(holder, "POST", "/agents", registering("gone-3"), once);
    expect((await as({ agentId: "gone-3", token: first.json.token }, "GET", "/agents/gone-3")).code).toBe("accepted");
    expect((await as(holder, "POST", "/agents", registering("gone-3"), once)).code).toBe("ID_TAKEN");
  });
});

describe("what is there", () => {
  it("looks the same as what is not: messages, tasks, agents, channels", async () => {
    const messageId = await messageToVictim();
    const taskId = await taskOfVictim();
    await as(lead, "POST", "/channels", { name: "secret-plans", kind: "work_queue", members: ["victim"] });
    const pairs: [string, string, string][] = [
      [messageId, "no-such-message", "/messages/<id>"],
      [taskId, "no-such-task", "/tasks/<id>"],
      [taskId, "no-such-task", "/tasks/<id>/history"],
      ["victim", "nobody", "/agents/<id>"],
      ["victim", "nobody", "/agents/<id>/messages"],
      ["secret-plans", "no-such-channel", "/channels/<id>"],
      ["secret-plans", "no-such-channel", "/channels/<id>/members"],
    ];
    for (const [there, missing, path] of pairs) {
      const [one, other] = await Promise.all(
        [there, missing].map(async (id) => told(await as(mallory, "GET", path.replace("<id>", id)), id)),
      );
      expect(one).toBe(other);
      expect(one).toMatch(/^(?:403|404) /);
    }
    const post = async (name: string) => {
      const body = { sender: "mallory", receiver: `#${name}`, type: "query", payload: 1 };
      return told(await as(mallory, "POST", "/messages", body), name);
    };
    expect(await post("secret-plans")).toBe(await post("no-such-channel"));
  });

  it("is not told by an id that is taken: neither whose nor what", async () => {
    const taken = {
      messageId: "order-1",
      sender: "lead",
      receiver: "victim",
      type: "query",
      payload: "the secret order",
    };
    expect((await as(lead, "POST", "/messages", taken)).code).toBe("accepted");
    const mine = await as(mallory, "POST", "/messages", { ...taken, sender: "mallory" });
    expect(mine.code).toBe("ID_TAKEN");
    expect(mine.text).not.toMatch(/lead|victim|secret/);
  });
});

describe("a flood of wrong tokens", () => {
  it("is cut off at its source before anything is looked up, and says when to come back", async () => {
    const guarded = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "5" });
    try {
      const wrong = "agt_01890a5d-ac96-774b-bcce-b302099a8057_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000";
      const codes: string[] = [];
      for (let guess = 0; guess < 8; guess += 1) {
        const answer = await guarded.ask("GET", "/agents", { headers: bearer(wrong) });
        codes.push(answer.code);
        if (answer.code === "RATE_LIMITED") expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      }
      expect(codes.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => "UNAUTHENTICATED"));
      expect(codes.at(-1)).toBe("RATE_LIMITED");
      expect((await guarded.ask("GET", "/health/live")).code).toBe("accepted");
    } finally {
      await guarded.stop();
    }
  });
});
