import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../../src/lib/model/ids.ts";
import { newSecret } from "../../../src/lib/security/token.ts";
import { bearer, type GuardedAnswer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";

/** What a caller may ask for, and what a stranger can make the process do. Rates are so low that a slow test earns no token. */

const SLOW = "0.001";

let host: GuardedHost;
afterEach(() => host.stop());

const stranger = () => bearer(newSecret("token", newId(Date.now())).text);
const statusOf = ({ status }: GuardedAnswer) => status;

describe("the limit of a source", () => {
  it("is for those without a credential and for those with one apart, and says when to come again", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_SOURCE: SLOW });
    const { token } = await host.agent("admin");
    const ask = (path: string) => host.ask("GET", path, { headers: bearer(token) });
    expect((await ask("/health/live")).status).toBe(200);
    const refused = await ask("/health/live");
    expect([refused.status, refused.code]).toEqual([429, "RATE_LIMITED"]);
    // What strangers have used up is not missing to who has proved itself.
    expect((await ask("/agents")).status).toBe(200);
    for (const path of ["/health/live", "/agents", "/nope"]) {
      const answer = await ask(path);
      expect([path, answer.status, answer.code]).toEqual([path, 429, "RATE_LIMITED"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(900);
    }
    host.clock.advance(1_000_000);
    expect((await ask("/agents")).status).toBe(200);
  });

  it("is that of the address which the trusted proxy saw; what the caller says of itself changes nothing", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_SOURCE: SLOW, AGENT_TRUSTED_PROXIES: "1" });
    const from = (forwarded: string) => host.ask("GET", "/health/live", { headers: { "x-forwarded-for": forwarded } });
    expect(statusOf(await from("203.0.113.1"))).toBe(200);
    expect(statusOf(await from("203.0.113.2:5000"))).toBe(200);
    for (const forged of ["203.0.113.9, 203.0.113.1", "1.1.1.1,2.2.2.2, 203.0.113.2:6000", ", 203.0.113.1"]) {
      expect([forged, statusOf(await from(forged))]).toEqual([forged, 429]);
    }
  });

  it("does not believe X-Forwarded-For where no proxy is trusted", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_SOURCE: SLOW });
    const from = (forwarded: string) => host.ask("GET", "/health/live", { headers: { "x-forwarded-for": forwarded } });
    expect([statusOf(await from("203.0.113.1")), statusOf(await from("203.0.113.2"))]).toEqual([200, 429]);
  });
});

describe("the limit of a credential", () => {
  it("is that of one credential, wherever it comes from", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_CREDENTIAL: SLOW, AGENT_TRUSTED_PROXIES: "1" });
    const [one, other] = [await host.agent("admin"), await host.agent("admin")];
    const ask = (token: string, from: string) =>
      host.ask("GET", "/agents", { headers: { ...bearer(token), "x-forwarded-for": from } });
    expect((await ask(one.token, "203.0.113.1")).status).toBe(200);
    const answer = await ask(one.token, "203.0.113.2");
    expect([answer.status, answer.code]).toEqual([429, "RATE_LIMITED"]);
    expect((await ask(other.token, "203.0.113.1")).status).toBe(200);
    expect((await host.ask("GET", "/health/live")).status).toBe(200);
  });
});

describe("credentials that are not valid", () => {
  const beatOf = (agent: { agentId: string; token: string }, from = "203.0.113.1") =>
    host.ask("POST", `/agents/${agent.agentId}/heartbeat`, {
      headers: { ...bearer(agent.token), "x-forwarded-for": from },
      body: {},
    });
  const show = (headers: Record<string, string>, from = "203.0.113.1") =>
    host.ask("GET", "/agents", { headers: { ...headers, "x-forwarded-for": from } });

  it("are answered at once and counted against their source, of any kind; a valid one that is new passes", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "4", AGENT_TRUSTED_PROXIES: "1" });
    const [agent, other] = [await host.agent(), await host.agent()];
    const enrolment = bearer(newSecret("enrolment", newId(Date.now())).text);
    for (const wrong of [stranger(), { authorization: "Basic YTpi" }, bearer("agt_nonsense"), enrolment]) {
      expect((await show(wrong)).status).toBe(401);
    }
    for (const wrong of [stranger(), { authorization: "Basic YTpi" }, bearer("agt_nonsense"), enrolment]) {
      const answer = await show(wrong);
      expect([answer.status, answer.code]).toEqual([429, "RATE_LIMITED"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    }
    // Neither has been here before.
    expect((await beatOf(agent)).status).toBe(200);
    expect((await beatOf(other, "203.0.113.2")).status).toBe(200);
    host.clock.advance(16_000);
    expect((await show(stranger())).status).toBe(401);
    expect((await show(stranger())).status).toBe(429);
  });

  it("use up nothing of what their source may ask with right ones", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_SOURCE: SLOW, AGENT_BAD_CREDENTIALS_PER_SOURCE: "1" });
    const agent = await host.agent();
    for (let n = 0; n < 5; n += 1) await host.ask("GET", "/health/live");
    for (let n = 0; n < 5; n += 1) await show(n % 2 === 0 ? stranger() : {});
    expect((await beatOf(agent)).status).toBe(200);
  });

  it("for a credential that is there only slow further wrong ones, wherever they come from", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "2", AGENT_TRUSTED_PROXIES: "1" });
    const agent = await host.agent();
    expect((await beatOf(agent)).status).toBe(200);
    const guess = () => bearer(newSecret("token", agent.credentialId).text);
    const statuses = [];
    for (let n = 1; n <= 4; n += 1) statuses.push((await show(guess(), `203.0.113.${n}`)).status);
    expect(statuses).toEqual([401, 401, 429, 429]);
    expect((await beatOf(agent, "203.0.113.1")).status).toBe(200);
    expect((await show(stranger(), "203.0.113.4")).status).toBe(401);
  });

  it("are slowed when they were right once and are revoked; others of their source go on", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "2" });
    const [good, revoked] = [await host.agent(), await host.agent()];
    for (const agent of [good, revoked]) expect((await beatOf(agent)).status).toBe(200);
    await host.services.credentials.revoke(revoked.credentialId);
    for (const status of [401, 401, 429]) expect((await beatOf(revoked)).status).toBe(status);
    expect((await beatOf(good)).status).toBe(200);
  });

  it("are looked up a few at a time, and those of other sources take turns with them", async () => {
    host = await startGuardedHost({ AGENT_TRUSTED_PROXIES: "1" });
    const agents = [await host.agent(), await host.agent()];
    const { store } = host.services;
    const { findCredential } = store;
    let running = 0;
    let most = 0;
    const order: string[] = [];
    store.findCredential = async (lookup) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if ("credentialId" in lookup) order.push(lookup.credentialId);
      return findCredential(lookup);
    };
    const flood = Array.from({ length: 200 }, () => show(stranger()));
    const [same, another] = await Promise.all([beatOf(agents[0]!), beatOf(agents[1]!, "203.0.113.2")]);
    expect([same.status, another.status]).toEqual([200, 200]);
    await Promise.all(flood);
    expect(most).toBeLessThanOrEqual(8);
    expect(order).toHaveLength(202);
  });

  it("are not those that may not do what they ask, or that are missing", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "1" });
    const { token } = await host.agent();
    for (let n = 0; n < 5; n += 1) {
      expect((await host.ask("GET", "/credentials", { headers: bearer(token) })).status).toBe(403);
      expect((await host.ask("GET", "/credentials")).status).toBe(401);
    }
    expect((await host.ask("GET", "/health/live")).status).toBe(200);
  });

  it("are in the audit and, once a minute, in the log, with their id and source and without their secret", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "2" });
    const agent = await host.agent();
    await host.services.credentials.revoke(agent.credentialId);
    for (let n = 0; n < 5; n += 1) await beatOf(agent);
    for (let n = 0; n < 40; n += 1) await show(stranger());
    await host.services.refusals.close();
    const { entries } = await host.services.audit.list({ action: "request.refused" });
    const counted = new Map<unknown, number>();
    for (const { actor, detail } of entries) {
      expect([actor, detail.source]).toEqual(["*", "127.0.0.1"]);
      const key = detail.credentialId === agent.credentialId ? `${detail.code} of the revoked one` : detail.code;
      counted.set(key, (counted.get(key) ?? 0) + Number(detail.count));
    }
    expect(Object.fromEntries(counted)).toEqual({
      "UNAUTHENTICATED of the revoked one": 2,
      "RATE_LIMITED of the revoked one": 3,
      RATE_LIMITED: 40,
    });
    const lines = host.lines.map((line) => JSON.parse(line));
    expect(lines).toContainEqual({
      level: "info",
      event: "credential refused",
      code: "UNAUTHENTICATED",
      source: "127.0.0.1",
      credentialId: agent.credentialId,
    });
    expect(lines.length).toBeLessThanOrEqual(22);
    expect(host.lines.join("\n")).not.toContain(agent.token.slice(-52, -9));
  });
});

describe("a body without a credential", () => {
  it("is not waited for: the refusal comes before it", async () => {
    host = await startGuardedHost();
    const { hostname, port } = new URL(host.url);
    for (const path of ["/api/messages", "/api/nope"]) {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{`;
      const answer = await new Promise<string>((resolve) => {
        let text = "";
        const socket = connect(Number(port), hostname, () => socket.write(head));
        socket.on("error", () => undefined);
        socket.on("data", (chunk) => {
          text += chunk.toString();
          if (text.includes("\r\n\r\n")) {
            socket.destroy();
            resolve(text);
          }
        });
      });
      expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    }
  });
});
