import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { bearer, type GuardedAsk, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";

/** What an agent with a valid token says of who it is, beside the token; and a stolen enrolment key. (The rest: hostile-agents.) */

interface Party {
  agentId: string;
  token: string;
}

let host: GuardedHost;
let mallory: Party;
let victim: Party;

beforeAll(async () => {
  host = await startGuardedHost();
  [mallory, victim] = await Promise.all([host.agent("worker", "mallory"), host.agent("worker", "victim")]);
});
afterAll(() => host.stop());

const as = (party: Party, method: string, path: string, body?: unknown, headers: GuardedAsk["headers"] = {}) =>
  host.ask(method, path, { headers: { ...bearer(party.token), ...headers }, body });

describe("another agent's id", () => {
  it("in the X-Agent-Id header is forbidden, and changes nothing", async () => {
    for (const name of ["x-agent-id", "X-AGENT-ID"]) {
      const headers = { [name]: "victim" };
      const answer = await as(mallory, "POST", "/agents/victim/heartbeat", { status: "draining" }, headers);
      expect(answer.code).toBe("FORBIDDEN");
      expect((await as(mallory, "POST", "/agents/mallory/heartbeat", {}, headers)).code).toBe("FORBIDDEN");
    }
    const { json } = await as(victim, "GET", "/agents/victim");
    expect(json).toMatchObject({ status: "active", role: "worker", maxConcurrentTasks: 10 });
  });

  it("in a payload is only a payload: the message says who sent it, in which role, with what credential", async () => {
    const payload = { sender: "lead", senderRole: "admin", senderCredential: "certificate" };
    const body = { sender: "mallory", receiver: "victim", type: "query", payload };
    expect((await as(mallory, "POST", "/messages", body)).code).toBe("accepted");
    const { json } = await as(victim, "POST", "/agents/victim/messages/receive", {});
    expect(json.messages[0]).toMatchObject({
      sender: "mallory",
      senderRole: "worker",
      senderCredential: "token",
      payload,
    });
  });
});

describe("a stolen enrolment key", () => {
  it("brings nothing with the Idempotency-Key of an agent whose token is in use", async () => {
    const { secret } = await host.issue({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: "blue-",
      maxUses: 5,
      expiresInSeconds: 60,
    });
    const holder = { agentId: "", token: secret };
    const once = { "idempotency-key": "machine-7" };
    const enrol = (agentId: string, headers = {}, role = "worker") =>
      as(holder, "POST", "/agents", { agentId, role }, headers);
    const { json } = await enrol("blue-1", once);
    expect((await as({ agentId: "blue-1", token: json.token }, "GET", "/agents/blue-1")).code).toBe("accepted");
    expect((await enrol("blue-1", once)).code).toBe("ID_TAKEN");
    expect((await enrol("blue-2", {}, "supervisor")).code).toBe("FORBIDDEN");
    expect((await enrol("victim")).code).toBe("FORBIDDEN");
  });
});
