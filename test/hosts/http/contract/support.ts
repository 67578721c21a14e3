import { randomBytes } from "node:crypto";
import { type IncomingHttpHeaders, request } from "node:http";
import { expect } from "@jest/globals";
import type { z } from "zod";
import { routes } from "../../../../src/functions/route-table.ts";
import { problemSchema } from "../../../../src/lib/http/openapi.ts";
import type { Route } from "../../../../src/lib/http/route.ts";
import type { ErrorCode } from "../../../../src/lib/model/errors.ts";
import { ERRORS } from "../../../../src/lib/model/errors.ts";

/** What the suite needs to talk HTTP: raw enough to say things that fetch would not let it say. */

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  json: unknown;
}

export interface Ask {
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  raw?: string | Buffer;
  /** Without a Content-Length. */
  chunked?: boolean;
  headers?: Record<string, string>;
}

/** The keys of the routes that answered 2xx during the run. */
export const servedRoutes = new Set<string>();

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export class Api {
  readonly base: URL;
  readonly run = `t${randomBytes(5).toString("hex")}`;
  #count = 0;

  constructor(base: string) {
    this.base = new URL(base);
  }

  /** An id that no other test and no other run has. */
  id(kind = "x"): string {
    this.#count += 1;
    return `${this.run}-${kind}-${this.#count}`;
  }

  /** A request with this very path (under the base path), not normalised in any way. */
  send(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    return this.atRoot(method, `${this.base.pathname}${path}`, ask);
  }

  /** A request with this very path, under the base path or not. */
  atRoot(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const body = ask.raw ?? (ask.body === undefined ? undefined : JSON.stringify(ask.body));
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    if (ask.chunked) headers["transfer-encoding"] = "chunked";
    else if (body !== undefined) headers["content-length"] = String(Buffer.byteLength(body));
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: this.base.hostname,
          port: this.base.port,
          method,
          path,
          headers: { ...headers, ...ask.headers },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json: parseJson(text) });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  /** A POST whose length is not announced. */
  sendChunked(path: string, raw: Buffer): Promise<Answer> {
    return this.send("POST", path, { raw, chunked: true });
  }

  /** Calls a route of the table; a 2xx answer must be one that the route declares, and fit its reply schema. */
  async call(key: string, params: Record<string, string> = {}, ask: Ask & { query?: string } = {}): Promise<Answer> {
    const route = (routes as readonly Route[]).find((candidate) => candidate.key === key);
    if (route === undefined) throw new Error(`no route ${key}`);
    const path = key.slice(key.indexOf(" ") + 1).replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");
    const answer = await this.send(route.method, path + (ask.query === undefined ? "" : `?${ask.query}`), ask);
    if (answer.status < 300) {
      expect(route.statuses).toContain(answer.status);
      if (answer.headers["content-type"]?.startsWith("application/json")) {
        expect(issues(route.reply, answer.json)).toEqual([]);
      }
      expect(answer.headers["x-content-type-options"]).toBe("nosniff");
      servedRoutes.add(key);
    }
    return answer;
  }

  /** As call, and the answer must be 2xx. @returns its JSON */
  async ok<Body = Record<string, unknown>>(
    key: string,
    params?: Record<string, string>,
    ask?: Ask & { query?: string },
  ) {
    const answer = await this.call(key, params, ask);
    if (answer.status >= 300) throw new Error(`${key} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
    return answer.json as Body;
  }

  async register(role = "worker", extra: Record<string, unknown> = {}): Promise<string> {
    const agentId = this.id(role);
    await this.ok("POST /agents", {}, { body: { agentId, role, ...extra } });
    return agentId;
  }

  async message(sender: string, receiver: string, extra: Record<string, unknown> = {}): Promise<string> {
    const body = { sender, receiver, type: "query", payload: { n: 1 }, ...extra };
    return (await this.ok<{ messageId: string }>("POST /messages", {}, { body })).messageId;
  }

  async receive(agentId: string, body: Record<string, unknown> = {}) {
    const reply = await this.ok<{ messages: { messageId: string; attempt: number; type: string; payload: unknown }[] }>(
      "POST /agents/{agentId}/messages/receive",
      { agentId },
      { body },
    );
    return reply.messages;
  }
}

function issues(schema: z.ZodType, value: unknown): unknown[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : parsed.error.issues;
}

/** The answer must be the problem document of `code`. */
export function expectProblem(answer: Answer, code: ErrorCode): z.infer<typeof problemSchema> {
  if (answer.status !== ERRORS[code].status)
    throw new Error(`expected ${code}, got ${answer.status} ${answer.text.slice(0, 500)}`);
  expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
  const problem = problemSchema.parse(answer.json);
  expect(problem.code).toBe(code);
  expect(problem.status).toBe(answer.status);
  expect(problem.detail.length).toBeGreaterThan(5);
  if (answer.status === 429 || answer.status === 503) expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
  return problem;
}
