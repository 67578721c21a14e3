import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { bearer, type GuardedHost, startGuardedHost } from "../../support/guarded-host.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { connectMcp } from "../../support/mcp-client.ts";

/** What `/mcp` answers, byte for byte: to what is wrong, to whom it does not know, and to methods that it does not serve. */

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const VERSION = "2026-07-28";
const META = {
  "io.modelcontextprotocol/protocolVersion": VERSION,
  "io.modelcontextprotocol/clientCapabilities": {},
};

interface Asked {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: replies of many shapes, each test checks the members that it reads
  json: any;
}

async function send(origin: string, body: unknown, headers: Record<string, string> = {}, query = ""): Promise<Asked> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const reply = await fetch(`${origin}/mcp${query}`, {
    method: "POST",
    body: text,
    headers: { ...JSON_HEADERS, ...headers },
  });
  const answer = await reply.text();
  return {
    status: reply.status,
    headers: reply.headers,
    text: answer,
    json: answer === "" ? undefined : JSON.parse(answer),
  };
}

/** A request of 2026-07-28 with the headers that belong to it. */
function asModern(method: string, params: Record<string, unknown> = {}, version = VERSION) {
  const meta = { ...META, "io.modelcontextprotocol/protocolVersion": version };
  const { name } = params;
  return {
    body: { jsonrpc: "2.0", id: 7, method, params: { ...params, _meta: meta } },
    headers: {
      "mcp-protocol-version": version,
      "mcp-method": method,
      ...(typeof name === "string" && { "mcp-name": name }),
    },
  };
}

const legacy = (method: string, params?: Record<string, unknown>) => ({ jsonrpc: "2.0", id: 7, method, params });

describe("in mode none", () => {
  let host: LocalHost;
  beforeAll(async () => {
    host = await startLocalHost();
  });
  afterAll(() => host.stop());

  it.each([
    ["a body that is no JSON", "{", 400, -32_700],
    ["a name that is there twice", '{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}', 400, -32_700],
    ["a batch", [legacy("ping")], 400, -32_600],
    ["an empty batch", [], 400, -32_600],
    ["a text", '"ping"', 400, -32_600],
    ["nothing", "", 400, -32_600],
    ["an object that is no request", { a: 1 }, 400, -32_600],
    ["a listener", asModern("subscriptions/listen").body, 404, -32_601],
    ["an unknown method of the earlier era", legacy("nope"), 200, -32_601],
  ])("refuses %s", async (_what, body, status, code) => {
    const { status: answered, json, headers } = await send(host.origin, body);
    expect([answered, json.error.code]).toEqual([status, code]);
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  it("refuses headers that contradict the body, versions that it does not know, and what it does not serve", async () => {
    const list = asModern("tools/list");
    const call = asModern("tools/call", { name: "check_in" });
    const future = asModern("tools/list", {}, "2031-01-01");
    const rows: [string, { body: unknown; headers: Record<string, string> }, number, number][] = [
      ["another method", { ...list, headers: { ...list.headers, "mcp-method": "tools/call" } }, 400, -32_020],
      ["no method", { body: list.body, headers: { "mcp-protocol-version": VERSION } }, 400, -32_020],
      ["another name", { ...call, headers: { ...call.headers, "mcp-name": "join" } }, 400, -32_020],
      ["a version to come", future, 400, -32_022],
      ["an unknown method", asModern("nope"), 404, -32_601],
    ];
    for (const [what, { body, headers }, status, code] of rows) {
      const { status: answered, json } = await send(host.origin, body, headers);
      expect([what, answered, json.error.code, json.id]).toEqual([what, status, code, 7]);
    }
  });

  it("answers what is asked for without a handshake, and takes notifications", async () => {
    const { body, headers } = asModern("server/discover");
    const discovered = await send(host.origin, body, headers);
    expect([discovered.status, discovered.json.result.supportedVersions]).toEqual([200, [VERSION]]);
    expect(discovered.json.result.capabilities).toEqual({ tools: {}, resources: {}, prompts: {} });
    const taken = await send(host.origin, { jsonrpc: "2.0", method: "notifications/initialized" });
    expect([taken.status, taken.text]).toEqual([202, ""]);
    const list = asModern("tools/list");
    const { json } = await send(host.origin, list.body, list.headers);
    expect(json.result).toMatchObject({ resultType: "complete", ttlMs: 3_600_000, cacheScope: "private" });
  });

  it("serves POST alone; the rest is one prepared 405", async () => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const reply = await fetch(`${host.origin}/mcp`, { method });
      expect([method, reply.status, reply.headers.get("allow")]).toEqual([method, 405, "POST"]);
      const text = await reply.text();
      expect(text === "" ? undefined : JSON.parse(text).error.code).toBe(method === "HEAD" ? undefined : -32_000);
    }
    const typed = await send(host.origin, legacy("ping"), { "content-type": "text/plain" });
    expect([typed.status, typed.json.error.data.code]).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    const long = await send(host.origin, legacy("ping", { text: "x".repeat(1_100_000) }));
    expect([long.status, long.json.error.data.code]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });

  it("takes a caller for the agent that it names, and tells one that names none how to", async () => {
    const { body, headers } = asModern("tools/call", { name: "join", arguments: {} });
    const nobody = await send(host.origin, body, headers);
    expect([nobody.status, nobody.json.result.isError]).toEqual([200, true]);
    expect(nobody.json.result.structuredContent.detail).toContain("X-Agent-Id");
    const byQuery = await send(host.origin, body, headers, "?agent=by-query");
    expect(byQuery.json.result.structuredContent.agent.agentId).toBe("by-query");
    const session = await connectMcp(host.origin, { "x-agent-id": "by-header" }, VERSION);
    expect((await session.call("join")).agent.agentId).toBe("by-header");
    await session.close();
    expect((await send(host.origin, body, headers, "?agent=-no")).status).toBe(400);
  });

  it("refuses pages of other origins, and passes its own", async () => {
    for (const origin of ["https://evil.example", "null", "http://localhost:1"]) {
      const { status, json } = await send(host.origin, legacy("ping"), { origin });
      expect([origin, status, json.error.data.code]).toEqual([origin, 403, "FORBIDDEN"]);
    }
    expect((await send(host.origin, legacy("ping"), { origin: host.origin })).status).toBe(200);
  });
});

describe("in mode required", () => {
  let host: GuardedHost;
  let origin: string;
  beforeAll(async () => {
    host = await startGuardedHost({ AGENT_PUBLIC_URL: "https://agents.example" });
    ({ origin } = new URL(host.url));
  });
  afterAll(() => host.stop());

  it("asks for a credential with the challenge of HTTP, before it reads the body", async () => {
    const { status, json, headers } = await send(origin, "{");
    expect([status, json.error.data.code, headers.get("www-authenticate")]).toEqual([401, "UNAUTHENTICATED", "Bearer"]);
    expect(json).toMatchObject({ jsonrpc: "2.0", id: null });
    const wrong = await send(origin, legacy("ping"), bearer("agt_wrong"));
    expect([wrong.status, wrong.headers.get("www-authenticate")]).toEqual([401, 'Bearer error="invalid_token"']);
  });

  it("has no word for enrolment keys, nor for an agent that is not the credential's", async () => {
    const { secret } = await host.issue({
      kind: "enrolment",
      roles: ["worker"],
      agentIdPrefix: "n-",
      maxUses: 1,
      expiresInSeconds: 600,
    });
    const { status, json } = await send(origin, legacy("tools/list"), bearer(secret));
    expect([status, json.error.data.code]).toEqual([403, "FORBIDDEN"]);
    const { token } = await host.agent("worker");
    expect((await send(origin, legacy("tools/list"), bearer(token), "?agent=another")).status).toBe(403);
    expect((await send(origin, legacy("tools/list"), { ...bearer(token), "x-agent-id": "another" })).status).toBe(403);
  });

  it("refuses other origins than the public URL's and that of Host here, too", async () => {
    const { token } = await host.agent("worker");
    const statusOf = async (from: string) =>
      (await send(origin, legacy("ping"), { ...bearer(token), origin: from })).status;
    expect(await statusOf("https://agents.example")).toBe(200);
    expect(await statusOf(origin)).toBe(200);
    for (const from of ["https://evil.example", "null"]) expect([from, await statusOf(from)]).toEqual([from, 403]);
  });

  it("does what a tool does under the name of the credential's agent, in the audit as by the route", async () => {
    const { token, agentId } = await host.agent("supervisor");
    const session = await connectMcp(origin, bearer(token), VERSION);
    const { taskId } = await session.call("assign_task", {
      taskType: "t",
      requiredCapabilities: ["none-has-it"],
      description: "secret words",
    });
    const { items } = await host.services.store.listAudit({ limit: 200 });
    const written = items.filter(({ subjectId }) => subjectId === taskId).map(({ actor, action }) => [actor, action]);
    expect(written).toEqual([[agentId, "task.created"]]);
    expect(JSON.stringify(items)).not.toContain("secret words");
    await session.close();
  });

  it("counts a request once, and refuses the one too many with Retry-After", async () => {
    const slow = await startGuardedHost({ AGENT_RATE_LIMIT_PER_CREDENTIAL: "0.5" });
    try {
      const { token } = await slow.agent("worker");
      const { body, headers } = asModern("tools/call", { name: "check_in", arguments: {} });
      const ask = () => send(new URL(slow.url).origin, body, { ...headers, ...bearer(token) });
      expect((await ask()).status).toBe(200);
      const excess = await ask();
      expect([excess.status, excess.json.error.data.code]).toEqual([429, "RATE_LIMITED"]);
      expect(Number(excess.headers.get("retry-after"))).toBeGreaterThan(0);
      slow.clock.advance(5_000);
      expect((await ask()).status).toBe(200);
    } finally {
      await slow.stop();
    }
  });
});
