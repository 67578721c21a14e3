import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/lib/ids.ts";
import { newSecret } from "../../src/lib/security/token.ts";
import { bearer, type GuardedAnswer, type GuardedHost, startGuardedHost } from "../support/guarded-host.ts";

/** What a caller may ask for, and what a stranger can make the process do. Rates are so low that a slow test earns no token. */

const SLOW = "0.001";

let host: GuardedHost;
afterEach(() => host.stop());

const stranger = () => bearer(newSecret("token", newId(Date.now())).text);
const statusOf = ({ status }: GuardedAnswer) => status;

describe("the limit of a source", () => {
  it("is for all requests, with and without a credential, and says when to come again", async () => {
    host = await startGuardedHost({ AGENT_RATE_LIMIT_PER_SOURCE: SLOW });
    const { token } = await host.agent("admin");
    expect((await host.ask("GET", "/health/live")).status).toBe(200);
    for (const path of ["/health/live", "/agents", "/nope"]) {
      const answer = await host.ask("GET", path, { headers: bearer(token) });
      expect([path, answer.status, answer.code]).toEqual([path, 429, "RATE_LIMITED"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(900);
    }
    host.clock.advance(1_000_000);
    expect((await host.ask("GET", "/agents", { headers: bearer(token) })).status).toBe(200);
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
  it("are answered at once and counted against their source; past the limit nothing is looked up any more", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "3", AGENT_TRUSTED_PROXIES: "1" });
    const { agentId, token } = await host.agent();
    const { store } = host.services;
    const { findCredential } = store;
    let lookups = 0;
    store.findCredential = (lookup) => {
      lookups += 1;
      return findCredential(lookup);
    };
    const ask = (headers: Record<string, string>, from = "203.0.113.1") =>
      host.ask("POST", `/agents/${agentId}/heartbeat`, { headers: { ...headers, "x-forwarded-for": from }, body: {} });
    const attempts = [stranger(), { authorization: "Basic YTpi" }, bearer("agt_nonsense")];
    for (const headers of attempts) expect((await ask(headers)).status).toBe(401);
    const before = lookups;
    for (let n = 0; n < 20; n += 1) {
      const answer = await ask(stranger());
      expect([answer.status, answer.code]).toEqual([429, "RATE_LIMITED"]);
    }
    // Not even a good one that has not been here before: whether it is good is not looked up.
    expect((await ask(bearer(token))).status).toBe(429);
    expect(lookups).toBe(before);
    expect((await ask(bearer(token), "203.0.113.2")).status).toBe(200);
    host.clock.advance(21_000);
    expect((await ask(bearer(token))).status).toBe(200);
    expect((await ask(stranger())).status).toBe(401);
    expect((await ask(stranger())).status).toBe(429);
  });

  it("do not hold up those of the same source that have been valid before, until they are revoked", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "2" });
    const [good, revoked] = [await host.agent(), await host.agent()];
    const beat = ({ agentId, token }: typeof good) =>
      host.ask("POST", `/agents/${agentId}/heartbeat`, { headers: bearer(token), body: {} });
    for (const agent of [good, revoked]) expect((await beat(agent)).status).toBe(200);
    for (const status of [401, 401, 429]) {
      expect((await host.ask("GET", "/agents", { headers: stranger() })).status).toBe(status);
    }
    for (const agent of [good, revoked]) expect((await beat(agent)).status).toBe(200);
    const { credentials } = await host.services.credentials.list({ agentId: revoked.agentId });
    await host.services.credentials.revoke(credentials[0]?.credentialId ?? "");
    for (const status of [401, 429]) expect((await beat(revoked)).status).toBe(status);
    expect((await beat(good)).status).toBe(200);
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

  it("are counted in the audit, and lead to no log line", async () => {
    host = await startGuardedHost({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "2" });
    for (let n = 0; n < 5; n += 1) await host.ask("GET", "/agents", { headers: stranger() });
    await host.services.refusals.close();
    const { entries } = await host.services.audit.list({ action: "request.refused" });
    const counted = new Map<unknown, number>();
    for (const { actor, detail } of entries) {
      expect(actor).toBe("*");
      counted.set(detail?.code, (counted.get(detail?.code) ?? 0) + Number(detail?.count));
    }
    expect(Object.fromEntries(counted)).toEqual({ UNAUTHENTICATED: 2, RATE_LIMITED: 3 });
    expect(host.lines).toEqual([]);
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
