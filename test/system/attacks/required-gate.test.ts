import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { newSecret } from "../../../src/lib/security/token.ts";
import { EntraIssuer } from "../../support/entra-issuer.ts";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { until } from "../../support/poll.ts";

/** Mode `required` over HTTP: who comes in, as whom, and who does not. */

let host: GuardedHost;
let issuer: EntraIssuer;
beforeAll(async () => {
  issuer = await EntraIssuer.start();
  host = await startGuardedHost(issuer.settings);
});
afterAll(async () => {
  await host.stop();
  await issuer.stop();
});

const heartbeat = (agentId: string, headers: Record<string, string>) =>
  host.ask("POST", `/agents/${agentId}/heartbeat`, { headers, body: {} });

describe("without a credential", () => {
  it("nothing is served but what anyone may ask, which paths there are included", async () => {
    for (const route of routes) {
      const path = route.key.slice(route.key.indexOf(" ") + 1).replaceAll(/\{\w+\}/g, "x");
      const answer = await host.ask(route.method, path);
      expect([route.key, answer.status === 401]).toEqual([route.key, route.allow !== "anyone"]);
    }
    for (const path of ["/nope", "/agents/a/b", "/credentials/x/y"]) {
      expect((await host.ask("GET", path)).status).toBe(401);
    }
    expect((await host.ask("OPTIONS", "/messages")).status).toBe(401);
  });

  it("HEAD is supported where GET is: health without a credential, other routes only with one", async () => {
    for (const path of ["/health", "/health/live", "/openapi.json"]) {
      expect([path, (await host.ask("HEAD", path)).status]).toEqual([path, 200]);
    }
    for (const path of ["/agents", "/metrics", "/nope"]) {
      expect([path, (await host.ask("HEAD", path)).status]).toEqual([path, 401]);
    }
  });

  it("what is outside of the API is 404 without asking the gate: no count, no log line, nothing of a source's limit", async () => {
    const before = await host.services.monitor.metrics();
    const lines = host.lines.length;
    const root = new URL(host.url).origin;
    for (let count = 0; count < 2_100; count += 100) {
      const asked = Array.from({ length: 100 }, (_, index) => fetch(`${root}/scan-${count + index}.php`));
      for (const answer of await Promise.all(asked))
        expect([answer.status, (await answer.json()).code]).toEqual([404, "NOT_FOUND"]);
    }
    const wrong = await fetch(`${root}/`, {
      method: "POST",
      body: "x",
      headers: { ...bearer("agt_x"), origin: "null" },
    });
    expect(wrong.status).toBe(404);
    expect(host.lines.length).toBe(lines);
    expect(await host.services.monitor.metrics()).toEqual(before);
    expect((await host.ask("GET", "/health/live")).status).toBe(200);
  });

  it("the refusal says what is asked for (RFC 6750), and why a token did not do", async () => {
    expect((await host.ask("GET", "/agents")).headers["www-authenticate"]).toBe("Bearer");
    const wrong = await host.ask("GET", "/agents", { headers: bearer(newSecret("token", newId(Date.now())).text) });
    expect([wrong.status, wrong.headers["www-authenticate"]]).toEqual([401, 'Bearer error="invalid_token"']);
  });

  it("what anyone may ask is served whatever credential comes along", async () => {
    for (const authorization of ["Bearer agt_nonsense", "Basic YTpi", "a, b"]) {
      expect((await host.ask("GET", "/health/live", { headers: { authorization } })).status).toBe(200);
    }
  });

  it("no page of another origin is allowed anything", async () => {
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
    for (const [method, path] of [
      ["OPTIONS", "/messages"],
      ["GET", "/health"],
      ["GET", "/agents"],
    ] as const) {
      const answer = await host.ask(method, path, { headers });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
  });
});

describe("every reply", () => {
  it("tells a browser to do nothing with it", async () => {
    const { token } = await host.agent("admin");
    const answers = [
      await host.ask("GET", "/health"),
      await host.ask("GET", "/agents"),
      await host.ask("GET", "/agents", { headers: bearer(token) }),
      await host.ask("GET", "/nope", { headers: bearer(token) }),
      await host.ask("GET", "/metrics", { headers: { ...bearer(token), accept: "text/plain" } }),
    ];
    for (const { headers } of answers) {
      expect(headers).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
      });
      expect(headers).not.toHaveProperty("strict-transport-security");
      expect(headers).not.toHaveProperty("server");
      expect(headers).not.toHaveProperty("x-powered-by");
    }
  });
});

describe("a request shows one credential", () => {
  it("and with more, or one of another scheme, it is refused precisely", async () => {
    const { agentId, token } = await host.agent();
    const twice = await host.ask("POST", `/agents/${agentId}/heartbeat`, {
      headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] },
      body: {},
    });
    expect([twice.status, twice.code]).toEqual([400, "INVALID_REQUEST"]);
    const cases: readonly (readonly [string, number])[] = [
      [`Bearer ${token}, Bearer ${token}`, 400],
      [`Bearer ${token},`, 400],
      [`Basic ${Buffer.from(`${agentId}:${token}`).toString("base64")}`, 401],
      [token, 401],
      [`Bearer  ${token}`, 401],
      [`Bearer ${token} x`, 401],
      ["Bearer", 401],
      ["Bearer ", 401],
      ["", 401],
    ];
    for (const [authorization, status] of cases) {
      expect([authorization, (await heartbeat(agentId, { authorization })).status]).toEqual([authorization, status]);
    }
    expect((await heartbeat(agentId, { authorization: `bearer ${token}` })).status).toBe(200);
  });

  it("and no header in place of it", async () => {
    const { agentId } = await host.agent("admin");
    const headers = {
      "x-agent-id": agentId,
      "x-ms-client-principal": Buffer.from(JSON.stringify({ userRoles: ["Agent.Admin"] })).toString("base64"),
      "x-ms-client-principal-id": agentId,
      "x-ms-token-aad-access-token": "x",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-client-cert": "Hash=1",
      "ssl-client-cert": "x",
      cookie: `token=${agentId}`,
    };
    expect((await host.ask("GET", `/agents?token=${agentId}`, { headers })).status).toBe(401);
    const forwarded = await host.ask("GET", "/agents", { headers: { "x-arr-clientcert": "AAAA" } });
    expect([forwarded.status, forwarded.code]).toEqual([400, "INVALID_REQUEST"]);
  });
});

describe("an agent's token", () => {
  it("is that agent, and nobody else", async () => {
    const [one, other] = [await host.agent(), await host.agent()];
    expect((await heartbeat(one.agentId, bearer(one.token))).status).toBe(200);
    expect((await heartbeat(other.agentId, bearer(one.token))).code).toBe("FORBIDDEN");
    expect((await heartbeat(one.agentId, { ...bearer(one.token), "x-agent-id": one.agentId })).status).toBe(200);
    expect((await heartbeat(one.agentId, { ...bearer(one.token), "x-agent-id": other.agentId })).code).toBe(
      "FORBIDDEN",
    );
    expect((await heartbeat(one.agentId, { ...bearer(one.token), "x-agent-id": "a, b" })).code).toBe("INVALID_REQUEST");
  });

  it("ends when it expires, and within 5 s of being revoked", async () => {
    const { agentId } = await host.agent();
    const short = await host.issue({ kind: "token", agentId, expiresInSeconds: 60 });
    const long = await host.issue({ kind: "token", agentId });
    expect((await heartbeat(agentId, bearer(short.secret))).status).toBe(200);
    host.clock.advance(61_000);
    expect((await heartbeat(agentId, bearer(short.secret))).status).toBe(401);
    expect((await heartbeat(agentId, bearer(long.secret))).status).toBe(200);
    // Past the cache of this process, as another process revokes.
    await host.services.store.revokeCredential(long.credentialId);
    host.clock.advance(5_000);
    expect((await heartbeat(agentId, bearer(long.secret))).status).toBe(401);
  });

  it("of a deregistered agent still registers it, in its own role, and does nothing else", async () => {
    const { agentId, token } = await host.agent();
    const headers = bearer(token);
    expect((await host.ask("DELETE", `/agents/${agentId}`, { headers })).status).toBe(200);
    expect((await heartbeat(agentId, headers)).code).toBe("AGENT_DEREGISTERED");
    expect((await host.ask("POST", "/agents", { headers, body: { agentId, role: "admin" } })).code).toBe("FORBIDDEN");
    expect((await host.ask("POST", "/agents", { headers, body: { agentId, role: "worker" } })).status).toBe(200);
    expect((await heartbeat(agentId, headers)).status).toBe(200);
  });
});

describe("a long poll", () => {
  it("gives nothing to whoever has lost its credential meanwhile; the message stays for others", async () => {
    const receiver = await host.agent();
    const sender = await host.agent();
    const receive = (token: string, waitSeconds: number) =>
      host.ask("POST", `/agents/${receiver.agentId}/messages/receive`, {
        headers: bearer(token),
        body: { waitSeconds },
      });
    const send = () =>
      host.ask("POST", "/messages", {
        headers: bearer(sender.token),
        body: { sender: sender.agentId, receiver: receiver.agentId, type: "query", payload: { secret: 1 } },
      });
    const kept = receive(receiver.token, 20);
    const { secret } = await host.issue({ kind: "token", agentId: receiver.agentId });
    expect((await send()).status).toBe(202);
    expect((await kept).json.messages).toHaveLength(1);

    const { store } = host.services;
    const { claimMessages } = store;
    let claims = 0;
    store.claimMessages = (claim) => {
      claims += 1;
      return claimMessages(claim);
    };
    const lost = receive(receiver.token, 20);
    await until("the poll has looked, and waits", () => claims === 1);
    await store.revokeCredential(receiver.credentialId);
    host.clock.advance(5_000);
    expect((await send()).status).toBe(202);
    const answer = await lost;
    expect([answer.status, answer.text.includes("secret"), claims]).toEqual([401, false, 1]);
    store.claimMessages = claimMessages;
    expect((await receive(secret, 0)).json.messages).toMatchObject([{ attempt: 1 }]);
  });
});

describe("a watched task", () => {
  it("is not shown to who has lost its credential, or the task, meanwhile", async () => {
    const supervisor = await host.agent("supervisor");
    const { taskId } = await host.services.coordinator.assign({ supervisor: supervisor.agentId, taskType: "secret" });
    const { version } = await host.services.coordinator.get(taskId);
    const watch = (headers: Record<string, string>) =>
      host.ask("GET", `/tasks/${taskId}?afterVersion=${version}&waitSeconds=20`, { headers });
    const { store } = host.services;
    const { getTask } = store;
    let reads = 0;
    store.getTask = (id) => {
      reads += 1;
      return getTask(id);
    };
    const lost = watch(bearer(supervisor.token));
    await until("the call has looked, and waits", () => reads === 1);
    await store.revokeCredential(supervisor.credentialId);
    host.clock.advance(5_000);
    await host.services.coordinator.cancel(taskId);
    const answer = await lost;
    store.getTask = getTask;
    expect([answer.status, answer.text.includes("secret")]).toEqual([401, false]);
  });

  it("is none to those whom it does not concern", async () => {
    const [supervisor, other] = [await host.agent("supervisor"), await host.agent("supervisor")];
    const { taskId } = await host.services.coordinator.assign({ supervisor: supervisor.agentId, taskType: "secret" });
    const path = `/tasks/${taskId}?afterVersion=9&waitSeconds=20`;
    expect((await host.ask("GET", path, { headers: bearer(other.token) })).code).toBe("TASK_NOT_FOUND");
  });
});

describe("an enrolment key", () => {
  it("registers new agents of its roles and prefix, each with a token of its own, and does nothing else", async () => {
    const prefix = `blue-${randomUUID()}-`;
    const key = await host.issue({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: prefix,
      maxUses: 2,
      expiresInSeconds: 600,
    });
    const headers = bearer(key.secret);
    const enrol = (agentId: string, role = "worker") =>
      host.ask("POST", "/agents", { headers, body: { agentId, role } });
    const first = await enrol(`${prefix}1`);
    expect([first.status, first.json.token]).toEqual([201, expect.stringMatching(/^agt_/)]);
    expect((await heartbeat(`${prefix}1`, bearer(first.json.token))).status).toBe(200);
    expect((await enrol(`${prefix}1`)).code).toBe("ID_TAKEN");
    expect((await enrol(`${prefix}2`, "admin")).code).toBe("FORBIDDEN");
    expect((await enrol(`${prefix}2`, "supervisor")).code).toBe("FORBIDDEN");
    expect((await enrol("somebody-else")).code).toBe("FORBIDDEN");
    expect((await heartbeat(`${prefix}1`, headers)).code).toBe("FORBIDDEN");
    expect((await host.ask("GET", "/agents", { headers })).code).toBe("FORBIDDEN");
    expect((await enrol(`${prefix}2`)).status).toBe(201);
    expect((await enrol(`${prefix}3`)).status).toBe(401);
  });
});

describe("an Entra ID application", () => {
  const objectId = () => randomUUID();
  const entra = async (oid: string, roles: string[]) => bearer(await issuer.token(oid, roles));

  it("that is bound to one agent is that agent, and registers it in one of its roles", async () => {
    const [oid, agentId] = [objectId(), `app-${randomUUID()}`];
    await host.issue({ kind: "principal", objectId: oid, agentIds: [agentId] });
    const headers = await entra(oid, ["Agent.Worker", "Agent.Observer"]);
    expect((await host.ask("POST", "/agents", { headers, body: { agentId, role: "admin" } })).code).toBe("FORBIDDEN");
    expect((await host.ask("POST", "/agents", { headers, body: { agentId, role: "worker" } })).status).toBe(201);
    expect((await heartbeat(agentId, headers)).status).toBe(200);
    const other = { agentId: "somebody-else", role: "worker" };
    expect((await host.ask("POST", "/agents", { headers, body: other })).code).toBe("FORBIDDEN");
  });

  it("registers what its binding allows, and no more", async () => {
    const [oid, agentId] = [objectId(), `app-${randomUUID()}`];
    const bounds = { capabilities: ["python@*"], maxConcurrentTasks: 2 };
    await host.issue({ kind: "principal", objectId: oid, agentIds: [agentId], ...bounds });
    const headers = await entra(oid, ["Agent.Worker"]);
    const register = async (capabilities: string[], maxConcurrentTasks: number) => {
      const body = { agentId, role: "worker", capabilities, maxConcurrentTasks };
      return (await host.ask("POST", "/agents", { headers, body })).code;
    };
    expect([await register(["payroll"], 1), await register(["python@3"], 3)]).toEqual(["FORBIDDEN", "FORBIDDEN"]);
    expect(await register(["python@3"], 2)).toBe("accepted");
    const raised = { headers, body: { maxConcurrentTasks: 3 } };
    expect((await host.ask("POST", `/agents/${agentId}/heartbeat`, raised)).code).toBe("FORBIDDEN");
    // What it shows is no token of ours.
    expect((await host.ask("POST", `/agents/${agentId}/token`, { headers, body: {} })).code).toBe("FORBIDDEN");
    expect((await host.ask("GET", "/token", { headers })).code).toBe("FORBIDDEN");
  });

  it("that is bound to several, or to a prefix, says which by X-Agent-Id", async () => {
    const [oid, one, two] = [objectId(), `app-${randomUUID()}`, `app-${randomUUID()}`];
    await host.issue({ kind: "principal", objectId: oid, agentIds: [one, two] });
    const headers = await entra(oid, ["Agent.Worker"]);
    const body = { agentId: one, role: "worker" };
    expect((await host.ask("POST", "/agents", { headers, body })).code).toBe("INVALID_REQUEST");
    const asOne = { ...headers, "x-agent-id": one };
    expect((await host.ask("POST", "/agents", { headers: asOne, body })).status).toBe(201);
    expect((await heartbeat(one, { ...headers, "x-agent-id": two })).code).toBe("FORBIDDEN");
    expect((await heartbeat("x", { ...headers, "x-agent-id": "x" })).code).toBe("FORBIDDEN");
    const [fleet, prefix] = [objectId(), `fleet-${randomUUID()}-`];
    await host.issue({ kind: "principal", objectId: fleet, agentIdPrefix: prefix });
    const member = { ...(await entra(fleet, ["Agent.Worker"])), "x-agent-id": `${prefix}7` };
    const registered = await host.ask("POST", "/agents", {
      headers: member,
      body: { agentId: `${prefix}7`, role: "worker" },
    });
    expect(registered.status).toBe(201);
  });

  it("acts in the agent's registered role, which must be one of its own", async () => {
    const oid = objectId();
    const { agentId } = await host.agent("supervisor");
    await host.issue({ kind: "principal", objectId: oid, agentIds: [agentId] });
    expect((await host.ask("GET", "/agents", { headers: await entra(oid, ["Agent.Worker"]) })).code).toBe("FORBIDDEN");
    const both = await entra(oid, ["Agent.Admin", "Agent.Supervisor"]);
    expect((await host.ask("GET", "/agents", { headers: both })).status).toBe(200);
    // An admin's route: the agent is a supervisor, whatever else the application might be.
    expect((await host.ask("GET", "/credentials", { headers: both })).code).toBe("FORBIDDEN");
  });

  it("that is bound to nothing does nothing, unless it is an admin, which can make the first bindings", async () => {
    expect((await host.ask("GET", "/agents", { headers: await entra(objectId(), ["Agent.Observer"]) })).code).toBe(
      "FORBIDDEN",
    );
    const pipeline = await entra(objectId(), ["Agent.Admin"]);
    const body = { kind: "principal", objectId: objectId(), agentIds: ["app-of-pipeline"] };
    expect((await host.ask("POST", "/credentials", { headers: pipeline, body })).status).toBe(201);
    const pretending = { ...pipeline, "x-agent-id": "app-of-pipeline" };
    expect((await host.ask("GET", "/credentials", { headers: pretending })).code).toBe("FORBIDDEN");
  });

  it("whose binding is revoked is nobody", async () => {
    const oid = objectId();
    const { agentId } = await host.agent("worker");
    const { credentialId } = await host.issue({ kind: "principal", objectId: oid, agentIds: [agentId] });
    const headers = await entra(oid, ["Agent.Worker"]);
    expect((await heartbeat(agentId, headers)).status).toBe(200);
    await host.services.store.revokeCredential(credentialId);
    host.clock.advance(5_000);
    expect((await heartbeat(agentId, headers)).code).toBe("FORBIDDEN");
  });

  it("is not let in while its keys cannot be had, and others are", async () => {
    const own = await EntraIssuer.start();
    const lonely = await startGuardedHost(own.settings);
    const token = await own.token(randomUUID(), ["Agent.Admin"]);
    own.broken = { status: 500, body: "" };
    const answer = await lonely.ask("GET", "/agents", { headers: bearer(token) });
    expect([answer.status, answer.code, answer.headers["retry-after"]]).toEqual([503, "IDENTITY_UNAVAILABLE", "5"]);
    const { token: own2 } = await lonely.agent("admin");
    expect((await lonely.ask("GET", "/agents", { headers: bearer(own2) })).status).toBe(200);
    await lonely.stop();
    await own.stop();
  });

  it("is refused where no tenant is trusted", async () => {
    const lonely = await startGuardedHost();
    const headers = bearer(await issuer.token(randomUUID(), ["Agent.Admin"]));
    expect((await lonely.ask("GET", "/agents", { headers })).status).toBe(401);
    await lonely.stop();
  });
});
