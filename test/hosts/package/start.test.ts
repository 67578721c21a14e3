import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AppProcess } from "../../../scripts/package/app-process.ts";
import { packageOf } from "../../../scripts/package/bundle.ts";
import { DEVELOPMENT, SCENARIOS } from "../../../scripts/package/scenarios.ts";
import { faces } from "../../../src/functions/faces.ts";
import { routes } from "../../../src/functions/route-table.ts";
import { timers } from "../../../src/functions/timers.ts";
import { until } from "../../support/poll.ts";
import { runFile } from "../../support/run-process.ts";
import { type MadePackage, makePackage } from "./made-package.ts";

/** The unpacked package in a process that loads it as the platform's worker does. (Under the platform itself: docs/hosting.md.) */

/** Nothing listens there. */
const CLOSED_PORT = 1;
/** All that an app in mode mock needs of other people's. */
const LEAST = [
  "@azure/functions",
  "@azure/functions-extensions-base",
  "cookie",
  "croner",
  "safe-stable-stringify",
  "uuid",
  "zod",
];

let made: MadePackage;
let app: AppProcess | undefined;

beforeAll(async () => {
  made = await makePackage();
});
afterEach(() => app?.kill());
afterAll(() => made.remove());

async function start(settings: Record<string, string>) {
  const result = await AppProcess.start(made.folder, settings, { files: true });
  app = result.app;
  return result;
}

/** npm packages of which code has been loaded. */
async function loadedPackages(from: AppProcess): Promise<string[]> {
  const paths = (await from.files()).filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url));
  const names = paths.flatMap((path) => made.inputs.get(relative(made.folder, path)) ?? []).map(packageOf);
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

describe("the package, started", () => {
  it("registers every route, the catch-all and the timers", async () => {
    const [mock] = SCENARIOS;
    const { started } = await start(mock?.settings(CLOSED_PORT) ?? {});
    const names = [
      ...routes.map((route) => route.name),
      ...faces.map((face) => face.name),
      "zzFallback",
      ...timers.map((timer) => timer.name),
    ];
    expect(started.functions.map(({ name }) => name).sort()).toEqual(names.sort());
    const methods = new Map(
      started.functions.map(({ name, bindings }) => [
        name,
        Object.values(bindings).flatMap((binding) => binding.methods ?? []),
      ]),
    );
    for (const { name, method, waits } of routes) {
      expect([name, methods.get(name)]).toEqual([name, method === "GET" && !waits ? ["GET", "HEAD"] : [method]]);
    }
  });

  it.each(SCENARIOS)("loads in $name what it uses, from its own files only", async ({ settings, loads }) => {
    const { app } = await start(settings(CLOSED_PORT));
    const expected = [...LEAST, ...loads];
    await until("the packages of the scenario", async () => {
      const loaded = await loadedPackages(app);
      return expected.every((name) => loaded.includes(name));
    });
    const loaded = await loadedPackages(app);
    if (loads.length === 0) expect(loaded).toEqual(LEAST);
    const optional = SCENARIOS.flatMap((scenario) => scenario.loads).filter((name) => !expected.includes(name));
    expect(
      loaded.filter((name) => [...optional, "@hyperjump/json-schema", "zod-openapi", "fastify"].includes(name)),
    ).toEqual([]);
    const foreign = (await app.files()).filter(
      (url) => url.startsWith("file:") && !fileURLToPath(url).startsWith(made.folder),
    );
    expect(foreign).toEqual([]);
  });

  it("serves, on a database of its own, and again after it was stopped", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "agent-communication-"));
    const settings = { ...DEVELOPMENT, AGENT_MOCK_DATABASE: join(scratch, "agents.db") };
    const at = (path: string) => `http://localhost:7071/api${path}`;
    const headers = { host: "localhost:7071", "content-type": "application/json" };
    const post = (path: string, body: object) => ({
      method: "POST",
      url: at(path),
      headers,
      body: JSON.stringify(body),
    });

    const first = (await start(settings)).app;
    for (const agentId of ["lead", "worker"]) {
      const answer = await first.invoke("registerAgent", post("/agents", { agentId, role: "supervisor" }));
      expect(answer.status).toBe(201);
    }
    const schema = { schema: { type: "object", required: ["n"] } };
    const type = { ...post("/message-types/a.b", schema), method: "PUT", params: { type: "a.b" } };
    expect((await first.invoke("putMessageType", type)).status).toBe(201);
    const message = { sender: "lead", receiver: "worker", type: "a.b", payload: {} };
    expect((await first.invoke("sendMessage", post("/messages", message))).status).toBe(422);
    expect((await first.invoke("sendMessage", post("/messages", { ...message, payload: { n: 1 } }))).status).toBe(202);
    const changed = { ...post("/messages", message), body: '{"sender":"lead","payload":{"n":9007199254740993}}' };
    const refused = JSON.parse((await first.invoke("sendMessage", changed)).body);
    expect([refused.code, refused.errors[0].path]).toEqual(["INVALID_REQUEST", "payload.n"]);
    const head = await first.invoke("health", { method: "HEAD", url: at("/health"), headers });
    expect([head.status, head.headers["content-type"], head.body]).toEqual([
      200,
      "application/json; charset=utf-8",
      "",
    ]);
    expect(await first.stop()).toBe(0);

    const second = (await start(settings)).app;
    const receive = { ...post("/agents/worker/messages/receive", {}), params: { agentId: "worker" } };
    const received = await second.invoke("receiveMessages", receive);
    expect([received.status, JSON.parse(received.body).messages]).toEqual([
      200,
      [expect.objectContaining({ payload: { n: 1 } })],
    ]);
    const document = await second.invoke("openApi", { method: "GET", url: at("/openapi.json"), headers });
    expect(JSON.parse(document.body).openapi).toMatch(/^3\.1/);
    const unknown = await second.invoke("zzFallback", { method: "GET", url: at("/nothing"), headers });
    expect([unknown.status, unknown.headers["content-type"]]).toEqual([404, "application/problem+json; charset=utf-8"]);
    const outside = await second.invoke("zzFallback", {
      method: "GET",
      url: "http://localhost:7071/.env",
      headers: {},
    });
    expect([outside.status, JSON.parse(outside.body).code]).toEqual([404, "NOT_FOUND"]);
    expect(await second.stop()).toBe(0);
    rmSync(scratch, { recursive: true });
  });

  it("starts without its store, answers 503 and logs why as an error of the call", async () => {
    const { app } = await start({ ...DEVELOPMENT, AGENT_MOCK_DATABASE: made.folder });
    const request = { method: "GET", url: "http://localhost:7071/api/agents", headers: { host: "localhost:7071" } };
    const { status, body, errors } = await app.invoke("listAgents", request);
    expect([status, JSON.parse(body).code]).toEqual([503, "STORE_UNAVAILABLE"]);
    expect(errors.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ event: "request failed", problem: "STORE_UNAVAILABLE", route: "GET /agents" }),
    ]);
  });

  it("refuses a body that the host has lost, instead of taking it for none", async () => {
    const { app } = await start({ ...DEVELOPMENT, AGENT_MOCK_DATABASE: ":memory:" });
    const url = "http://localhost:7071/api/maintenance";
    const headers = { host: "localhost:7071", "content-type": "application/json" };
    const lost = { method: "POST", url, headers: { ...headers, "transfer-encoding": "chunked" } };
    expect(JSON.parse((await app.invoke("runMaintenance", lost)).body).code).toBe("INVALID_REQUEST");
    expect((await app.invoke("runMaintenance", { method: "POST", url, headers })).status).toBe(200);
  });

  it("has stacks that its source maps explain", async () => {
    const stack = await start({ AGENT_HTTP_PORT: "x" }).then(String, (error) => String(error));
    expect(stack).toMatch(/at readConfig \(\S+wwwroot\S+\.js:\d+:\d+\)/);
    const explained = await runFile("scripts/package/explain-stack.ts", ["--out", made.out], { input: stack });
    expect(explained.out).toMatch(/at readConfig \(src\/lib\/config\/config\.ts:\d+:\d+\)/);
    expect(explained.out).toMatch(/ src\/functions\/main\.ts:\d+:\d+/);
  });

  it("says what is wrong with its settings instead of starting", async () => {
    await expect(start({ AGENT_HTTP_PORT: "x", AGENT_MAX_RETRIES: "-1" })).rejects.toThrow(
      /AGENT_HTTP_PORT.*AGENT_MAX_RETRIES/s,
    );
  });
});
