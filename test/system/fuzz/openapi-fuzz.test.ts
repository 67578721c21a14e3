import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { routes } from "../../../src/functions/route-table.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { ERRORS, type ErrorCode } from "../../../src/lib/model/errors.ts";
import { REQUEST_MAX_BYTES } from "../../../src/lib/model/limits.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { printedSeed, Random } from "../../support/random.ts";
import { recount, rowsOf } from "../../support/recount.ts";
import { Generator, Known } from "./generator.ts";
import { type Api, type Operation, readApi } from "./open-api.ts";
import { REFUSALS } from "./refusals.ts";
import { type FuzzReply, type FuzzRequest, Wire } from "./wire.ts";

/** The real local host against thousands of requests made from its own OpenAPI document. `SEED=… npm test -- fuzz` replays. */

const REFUSED_REQUESTS = 8_000;
const REFUSED_BATCH = 400;
const MIXED_REQUESTS = 20_000;
const CONCURRENCY = 16;
const MIN_REQUESTS = 20_000;
const AGENTS = ["supervisor-1", "worker-1", "worker-2", "observer-1", "admin-1"];

/** No timer writes while the rows are compared. */
const SETTINGS = { AGENT_SWEEP_SCHEDULE: "0 0 5 29 2 *", AGENT_MAINTENANCE_SCHEDULE: "0 0 5 29 2 *" };

const problemSchema = z.strictObject({
  type: z.string().min(1),
  title: z.string().min(1),
  status: z.int(),
  code: z.string(),
  detail: z.string().min(5),
  errors: z.array(z.strictObject({ path: z.string(), message: z.string().min(1) })).optional(),
});

const seed = printedSeed("openapi fuzz");
const random = new Random(seed);
const known = new Known(AGENTS);
let host: LocalHost;
let wire: Wire;
let api: Api;
let generator: Generator;
let requests = 0;
const byStatus = new Map<number, number>();

async function send(request: FuzzRequest): Promise<FuzzReply> {
  requests += 1;
  const reply = await wire.send(request);
  byStatus.set(reply.status, (byStatus.get(reply.status) ?? 0) + 1);
  return reply;
}

const isCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

/** What is wrong with a reply, whatever was asked; undefined when it is as promised. */
function complaint({ method }: FuzzRequest, reply: FuzzReply, operation?: Operation): string | undefined {
  const { status, headers, text } = reply;
  const type = headers["content-type"] ?? "";
  if (status >= 500) return "a server error";
  if (status >= 200 && status < 300) {
    if (operation !== undefined && !operation.statuses.includes(status)) return "a status that is not in the document";
    return type.startsWith("application/json") || type.startsWith("text/plain") ? undefined : `of type ${type}`;
  }
  if (status < 400) return "neither an answer nor a refusal";
  if (!type.startsWith("application/problem+json")) return `a refusal of type ${type}`;
  if (method === "HEAD") return undefined;
  const parsed = problemSchema.safeParse(parseJson(text));
  if (!parsed.success) return `no problem document: ${z.prettifyError(parsed.error)}`;
  const { code } = parsed.data;
  if (!isCode(code)) return `an unknown code ${code}`;
  if (ERRORS[code].status !== status || parsed.data.status !== status) return `${code} with status ${status}`;
  if (status === 405 && headers.allow === undefined) return "405 without Allow";
  if (status === 429 && headers["retry-after"] === undefined) return "429 without Retry-After";
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A line by which a person can repeat the request. */
function describeRequest({ method, path, headers, body, why }: FuzzRequest, reply: FuzzReply, wrong: string): string {
  const sent = body === undefined ? "" : ` ${body.toString("latin1").slice(0, 500)}`;
  const how = Object.keys(headers).length === 0 ? "" : ` ${JSON.stringify(headers).slice(0, 300)}`;
  return `${wrong}: [${why}] ${method} ${path.slice(0, 300)}${how}${sent} → ${reply.status} ${reply.text.slice(0, 300)}`;
}

/** Runs `make` so many times, some at a time. @returns what was wrong, at most ten of it */
async function runMany(count: number, one: () => Promise<string | undefined>): Promise<string[]> {
  const wrong: string[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0 && wrong.length < 10) {
      left -= 1;
      const found = await one();
      if (found !== undefined) wrong.push(found);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return wrong;
}

/** Rows that refusals may leave: their counts in the audit, written when a minute is over. */
const COUNTS_OF_REFUSALS: Readonly<Record<string, string>> = {
  audit_entries: "WHERE action <> 'request.refused'",
  sqlite_sequence: "WHERE name <> 'audit_entries'",
};

/** Every other row of every table, as one hash: nothing at all may differ. */
function digest(): string {
  const tables = rowsOf(host.database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  const hash = createHash("sha256");
  for (const name of tables.map((table) => String(table.name))) {
    hash.update(JSON.stringify(rowsOf(host.database, `SELECT * FROM "${name}" ${COUNTS_OF_REFUSALS[name] ?? ""}`)));
  }
  return hash.digest("hex");
}

const json = (method: string, path: string, body: unknown): FuzzRequest => ({
  method,
  path: `/api${path}`,
  headers: { "content-type": "application/json" },
  body: Buffer.from(JSON.stringify(body)),
  why: "preparation",
});

function registration(agentId: string): FuzzRequest {
  const role = agentId.replace(/-\d$/, "");
  const agent = { agentId, role, capabilities: ["python", "react"], maxConcurrentTasks: 500, metadata: { of: "fuzz" } };
  return json("POST", "/agents", agent);
}

/** Agents, messages in every state, tasks: something to be harmed. */
async function prepare(): Promise<void> {
  for (const agentId of AGENTS) expect((await send(registration(agentId))).status).toBe(201);
  for (let n = 1; n <= 20; n++) {
    const message = {
      messageId: `m-${n}`,
      sender: "admin-1",
      receiver: "worker-1",
      type: "notification",
      payload: { n },
    };
    expect((await send(json("POST", "/messages", message))).status).toBe(202);
    known.learn("messages", `m-${n}`);
  }
  expect((await send(json("POST", "/agents/worker-1/messages/receive", { maxMessages: 5 }))).status).toBe(200);
  for (const [name, kind] of Object.entries({ jobs: "work_queue", news: "broadcast" })) {
    const channel = { name, kind, members: ["worker-1", "worker-2"] };
    expect((await send(json("POST", "/channels", channel))).status).toBe(201);
    const post = { sender: "admin-1", receiver: `#${name}`, type: "notification" };
    expect((await send(json("POST", "/messages", post))).status).toBe(202);
  }
  for (let n = 1; n <= 5; n++) {
    const task = { taskId: `t-${n}`, supervisor: "supervisor-1", taskType: "work", requiredCapabilities: ["python"] };
    expect((await send(json("POST", "/tasks", task))).status).toBe(201);
    known.learn("tasks", `t-${n}`);
  }
}

beforeAll(async () => {
  host = await startLocalHost(SETTINGS);
  wire = new Wire(host.port);
  api = readApi(await (await fetch(`${host.baseUrl}/openapi.json`)).json());
  generator = new Generator(api, random, known);
  await prepare();
}, 60_000);

afterAll(async () => {
  wire?.close();
  await host?.stop();
});

describe("fuzzing the OpenAPI document", () => {
  it("covers every operation", () => {
    expect(api.operations.length).toBeGreaterThan(35);
    expect(api.operations.filter(({ body }) => body !== undefined).length).toBeGreaterThan(15);
  });

  it("refuses what must be refused, precisely, and changes nothing", async () => {
    const reasons = Object.entries(REFUSALS);
    const tried = new Map<string, number>();
    for (let done = 0; done < REFUSED_REQUESTS; done += REFUSED_BATCH) {
      const before = digest();
      const wrong = await runMany(REFUSED_BATCH, async () => {
        const [reason, make] = random.pick(reasons);
        const operation = random.pick(api.operations);
        const request = make({ api, operation, generator, random });
        if (request === undefined) return undefined;
        tried.set(reason, (tried.get(reason) ?? 0) + 1);
        const reply = await send(request);
        const found = reply.status < 400 ? `accepted, though it has ${reason}` : complaint(request, reply);
        return found === undefined ? undefined : describeRequest(request, reply, found);
      });
      expect(wrong).toEqual([]);
      expect({ done, digest: digest() }).toEqual({ done, digest: before });
    }
    expect([...tried.keys()].sort()).toEqual(Object.keys(REFUSALS).sort());
  }, 120_000);

  it("refuses what is too large with 413, and changes nothing", async () => {
    const before = digest();
    const limits = new Map<string, number | undefined>(routes.map((route: Route) => [route.name, route.maxBodyBytes]));
    const writing = api.operations.filter(({ method }) => method !== "GET");
    const wrong: string[] = [];
    for (const operation of writing) {
      const limit = limits.get(operation.id) ?? REQUEST_MAX_BYTES;
      const request = generator.request(operation, 0);
      const body = Buffer.alloc(limit + 1, 0x20);
      const large = {
        ...request,
        headers: { ...request.headers, "content-type": "application/json" },
        body,
        why: "large",
      };
      const reply = await send(large);
      const found = reply.status === 413 ? complaint(large, reply) : "not refused for its size";
      if (found !== undefined) wrong.push(describeRequest({ ...large, body: undefined }, reply, found));
    }
    expect(wrong).toEqual([]);
    expect(digest()).toBe(before);
  }, 60_000);

  it("survives bytes that are no HTTP", async () => {
    const wrong: string[] = [];
    for (const bytes of BROKEN_HTTP) {
      requests += 1;
      const answer = await wire.raw(bytes);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? "";
      const isProblem = /^content-type: application\/problem\+json/im.test(answer);
      // Silence is fine: there was nothing that could be answered.
      const fine = status === "" || /^[12]/.test(status) || (status.startsWith("4") && (isProblem || byNode(answer)));
      if (!fine) wrong.push(`${JSON.stringify(bytes.slice(0, 200))} → ${answer}`);
    }
    expect(wrong).toEqual([]);
    expect((await fetch(`${host.baseUrl}/health`)).status).toBe(200);
  }, 60_000);

  it("answers anything with a documented status or a problem, and never with a server error", async () => {
    const left = Math.max(MIXED_REQUESTS, MIN_REQUESTS - requests);
    const wrong = await runMany(left, async () => {
      const operation = random.pick(api.operations);
      // Agents that are gone would make most of the rest a refusal.
      const request =
        operation.id === "deregisterAgent" && random.chance(0.9)
          ? registration(random.pick(AGENTS))
          : generator.request(operation, random.pick([0, 0.02, 0.1, 0.3]));
      const reply = await send(request);
      learn(reply);
      const found = complaint(request, reply, operation.id === "deregisterAgent" ? undefined : operation);
      return found === undefined ? undefined : describeRequest(request, reply, found);
    });
    expect(wrong).toEqual([]);
  }, 120_000);

  it("tried enough, and enough of it reached the handlers", () => {
    process.stdout.write(`openapi fuzz: ${requests} requests, by status ${JSON.stringify([...byStatus].sort())}\n`);
    expect(requests).toBeGreaterThanOrEqual(MIN_REQUESTS);
    expect([...byStatus.keys()]).toEqual(
      expect.arrayContaining([200, 201, 202, 400, 403, 404, 405, 409, 413, 415, 422]),
    );
    expect((byStatus.get(200) ?? 0) + (byStatus.get(202) ?? 0)).toBeGreaterThan(1_000);
  });

  it("leaves the server alive and well, with counters that equal their rows", async () => {
    const health = await fetch(`${host.baseUrl}/health`);
    expect({ status: health.status, body: await health.json() }).toMatchObject({ status: 200 });
    expect(host.process.exitCode).toBeNull();
    expect(host.output()).not.toMatch(/request failed/);
    expect(recount(host.database)).toEqual([]);
    expect(await host.stop({ keep: true })).toBe(0);
  }, 30_000);
});

/** What node answers by itself, without a body, before any handler: no Host header, an Expect that nobody knows. */
function byNode(answer: string): boolean {
  return /^HTTP\/1\.1 (?:400|417) [^\r]+\r\n(?!content-type)[\s\S]*\r\n\r\n0\r\n\r\n$/i.test(answer);
}

/** Ids and cursors in replies make later requests reach further. */
function learn({ status, text }: FuzzReply): void {
  if (status >= 300) return;
  for (const [, kind, id = ""] of text.matchAll(/"(messageId|taskId|nextCursor)":"([^"]{1,1000})"/g)) {
    if (random.chance(0.8)) continue;
    known.learn(kind === "messageId" ? "messages" : kind === "taskId" ? "tasks" : "cursors", id);
  }
}

const HEAD = "POST /api/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
const BROKEN_HTTP: readonly string[] = [
  "",
  "\r\n\r\n",
  "hello\r\n\r\n",
  "GET\r\n\r\n",
  "GET / HTTP/9.9\r\n\r\n",
  "GET /api/health HTTP/1.1\r\n\r\n",
  "GET /api/health HTTP/1.0\r\n\r\n",
  "GET /api/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "GET /api/he\u0000alth HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
  "GET /api/health\u00e9 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
  "GET http://example.org/api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
  "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
  "GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
  `${HEAD}Content-Length: -1\r\n\r\n{}`,
  `${HEAD}Content-Length: x\r\n\r\n{}`,
  `${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  `${HEAD}Content-Length: 100\r\n\r\n{}`,
  `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n`,
  `${HEAD}Transfer-Encoding: gzip\r\n\r\n{}`,
  `${HEAD}Expect: nonsense\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
  `${HEAD}Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
  `${HEAD}Bad Header: x\r\nContent-Length: 2\r\n\r\n{}`,
  `${HEAD}X: a\u0000b\r\nContent-Length: 2\r\n\r\n{}`,
  `${HEAD} folded\r\nContent-Length: 2\r\n\r\n{}`,
  `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
  `GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n${"X: y\r\n".repeat(3_000)}\r\n`,
];
