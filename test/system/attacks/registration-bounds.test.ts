import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { IssueCredentialInput } from "../../../src/lib/model/credential.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";

/** A worker gets the tasks that it was enrolled for: what it registers beyond its credential is refused, over HTTP. */

let host: GuardedHost;

beforeAll(async () => {
  host = await startGuardedHost();
});
afterAll(() => host.stop());

const BOUNDS = { capabilities: ["python", "review*", "go@*"], maxConcurrentTasks: 3 };
const worker = (agentId: string, capabilities: string[], maxConcurrentTasks = 1) => ({
  agentId,
  role: "worker",
  capabilities,
  maxConcurrentTasks,
});

/** What a registration with this secret is answered. */
const register = (secret: string, body: object) => host.ask("POST", "/agents", { headers: bearer(secret), body });
const beat = (agentId: string, secret: string, body: object) =>
  host.ask("POST", `/agents/${agentId}/heartbeat`, { headers: bearer(secret), body });

/** An agent that is there, with a bounded credential of its own. */
async function bounded(agentId: string, bounds: Partial<IssueCredentialInput> = BOUNDS): Promise<string> {
  await host.agent("worker", agentId);
  return (await host.issue({ kind: "token", agentId, ...bounds } as IssueCredentialInput)).secret;
}

describe("a registration", () => {
  it.each([
    [["python"], "accepted"],
    [["review", "review@2", "reviewer"], "accepted"],
    [["go@1.24"], "accepted"],
    [[], "accepted"],
    [["payroll"], "FORBIDDEN"],
    [["python", "payroll"], "FORBIDDEN"],
    // Exact is byte for byte: neither a version of it, nor a longer name, nor another case.
    [["python@3"], "FORBIDDEN"],
    [["python3"], "FORBIDDEN"],
    [["Python"], "FORBIDDEN"],
    [["pytho"], "FORBIDDEN"],
    [["revie"], "FORBIDDEN"],
    // The versions are allowed, what every version meets is not.
    [["go"], "FORBIDDEN"],
  ])("of %j is %s", async (capabilities, code) => {
    const secret = await bounded("w-capabilities");
    const before = await host.services.registry.get("w-capabilities");
    const answer = await register(secret, worker("w-capabilities", capabilities));
    expect(answer.code).toBe(code);
    if (code === "accepted") return;
    const refused = capabilities.find((capability) => !["python"].includes(capability));
    expect(answer.json.detail).toContain(String(refused));
    expect(await host.services.registry.get("w-capabilities")).toMatchObject({ capabilities: before.capabilities });
  });

  it("takes up to maxConcurrentTasks, the default of 1 included", async () => {
    const secret = await bounded("w-slots");
    expect((await register(secret, worker("w-slots", [], 3))).code).toBe("accepted");
    expect((await register(secret, worker("w-slots", [], 4))).code).toBe("FORBIDDEN");
    expect((await register(secret, worker("w-slots", [], 10_000))).code).toBe("FORBIDDEN");
    const idle = await bounded("w-none", { capabilities: [], maxConcurrentTasks: 0 });
    expect((await register(idle, { agentId: "w-none", role: "worker" })).code).toBe("FORBIDDEN");
    expect((await register(idle, worker("w-none", [], 0))).code).toBe("accepted");
    expect((await register(idle, worker("w-none", ["python"], 0))).code).toBe("FORBIDDEN");
  });

  it("is raised by no heartbeat either", async () => {
    const secret = await bounded("w-beat");
    expect((await register(secret, worker("w-beat", ["python"], 2))).code).toBe("accepted");
    expect((await beat("w-beat", secret, { maxConcurrentTasks: 10_000 })).code).toBe("FORBIDDEN");
    expect((await beat("w-beat", secret, { maxConcurrentTasks: 4, status: "draining" })).code).toBe("FORBIDDEN");
    expect(await host.services.registry.get("w-beat")).toMatchObject({ maxConcurrentTasks: 2, status: "active" });
    expect((await beat("w-beat", secret, { maxConcurrentTasks: 3 })).code).toBe("accepted");
    expect((await beat("w-beat", secret, {})).code).toBe("accepted");
  });

  it("with a token that has no bounds may be anything", async () => {
    const { token } = await host.agent("worker", "w-free");
    expect((await register(token, worker("w-free", ["payroll"], 10_000))).code).toBe("accepted");
  });

  it("with an enrolment key is within its bounds, and so is the token that came with it, and its renewals", async () => {
    const terms = { roles: ["worker" as const], agentIdPrefix: "e-", maxUses: 2, expiresInSeconds: 600 };
    const { secret, credentialId } = await host.issue({ kind: "enrolment", ...terms, ...BOUNDS, expiresInDays: 30 });
    expect((await register(secret, worker("e-1", ["payroll"]))).code).toBe("FORBIDDEN");
    expect((await register(secret, worker("e-1", ["python"], 9))).code).toBe("FORBIDDEN");
    const { credential: key } = { credential: await host.services.credentials.get(credentialId) };
    // A refusal takes no use.
    expect(key).toMatchObject({ usesLeft: 2, expiresInDays: 30, idleDays: 90, ...BOUNDS });
    const enrolled = await register(secret, worker("e-1", ["python"], 3));
    expect(enrolled.status).toBe(201);
    const { token } = enrolled.json;
    expect((await register(token, worker("e-1", ["payroll"]))).code).toBe("FORBIDDEN");
    expect((await beat("e-1", token, { maxConcurrentTasks: 10_000 })).code).toBe("FORBIDDEN");
    const renewed = await host.ask("POST", "/agents/e-1/token", { headers: bearer(token), body: {} });
    expect(renewed.json.credential).toMatchObject({ ...BOUNDS, idleDays: 90, enrolledBy: credentialId });
    expect((await register(renewed.json.token, worker("e-1", ["payroll"]))).code).toBe("FORBIDDEN");
    expect((await register(renewed.json.token, worker("e-1", ["review"]))).code).toBe("accepted");
  });

  it("is asked for in bounds that are some", async () => {
    const admin = await host.agent("admin", "root");
    const issue = (bounds: object) =>
      host.ask("POST", "/credentials", {
        headers: bearer(admin.token),
        body: { kind: "token", agentId: "root", ...bounds },
      });
    for (const pattern of ["*", "a*b", "**", "", "-x", "a b", "x".repeat(129)]) {
      expect([pattern, (await issue({ capabilities: [pattern] })).code]).toEqual([pattern, "INVALID_REQUEST"]);
    }
    expect((await issue({ capabilities: ["a", "a"] })).code).toBe("INVALID_REQUEST");
    expect((await issue({ maxConcurrentTasks: -1 })).code).toBe("INVALID_REQUEST");
    expect((await issue({ idleDays: 0 })).code).toBe("INVALID_REQUEST");
    expect((await issue({ capabilities: ["c++", "a@*", `${"x".repeat(128)}*`] })).code).toBe("accepted");
  });
});

describe("POST /agents/{agentId}/token", () => {
  const renew = (agentId: string, secret: string) =>
    host.ask("POST", `/agents/${agentId}/token`, { headers: bearer(secret), body: {} });

  it("gives a token; the old one lives until the new one is used", async () => {
    const { agentId, token, credentialId } = await host.agent("observer");
    const answer = await renew(agentId, token);
    expect([answer.status, answer.json.credential.renews]).toEqual([201, credentialId]);
    expect((await beat(agentId, token, {})).code).toBe("accepted");
    expect((await beat(agentId, answer.json.token, {})).code).toBe("accepted");
    expect((await beat(agentId, token, {})).code).toBe("UNAUTHENTICATED");
    expect((await renew(agentId, token)).code).toBe("UNAUTHENTICATED");
  });

  it("is the agent's own business: no other agent's, no admin's, no enrolment key's", async () => {
    const { agentId } = await host.agent("worker");
    const [other, admin] = [await host.agent("worker"), await host.agent("admin")];
    const terms = { roles: ["worker" as const], agentIdPrefix: "x-", maxUses: 2, expiresInSeconds: 600 };
    const key = await host.issue({ kind: "enrolment", ...terms });
    for (const { token } of [other, admin, { token: key.secret }]) {
      expect((await renew(agentId, token)).code).toBe("FORBIDDEN");
    }
    expect((await renew(admin.agentId, admin.token)).code).toBe("accepted");
    expect((await host.services.credentials.list({ agentId })).credentials).toHaveLength(1);
  });

  it("refuses what has expired, and tells when that will be", async () => {
    await host.agent("worker", "w-short");
    const { secret } = await host.issue({ kind: "token", agentId: "w-short", expiresInSeconds: 60 });
    const read = () => host.ask("GET", "/token", { headers: bearer(secret) });
    const { json } = await read();
    expect(Date.parse(json.expiresAt) - Date.parse(json.createdAt)).toBe(60_000);
    expect(JSON.stringify(json)).not.toContain("ash");
    host.clock.advance(60_000);
    expect((await read()).code).toBe("UNAUTHENTICATED");
    expect((await renew("w-short", secret)).code).toBe("UNAUTHENTICATED");
  });
});
