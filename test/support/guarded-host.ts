import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, type RequestOptions, request } from "node:http";
import { request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faces } from "../../src/functions/faces.ts";
import { routes } from "../../src/functions/route-table.ts";
import { readConfig } from "../../src/lib/config/config.ts";
import type { AgentRole } from "../../src/lib/model/agent.ts";
import { OffsetClock } from "../../src/lib/model/clock.ts";
import type { IssueCredentialInput } from "../../src/lib/model/credential.ts";
import { createServices, type Services } from "../../src/lib/services.ts";
import { openStore } from "../../src/lib/store/open-store.ts";
import { lineLog } from "../../src/lib/trace/log.ts";
import { startServer } from "../../src/local/server.ts";

/** The local host in mode `required`, in this process, so that a test can move its clock and issue credentials. */

export interface GuardedAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The code of a problem document; "accepted" for 2xx. */
  code: string;
  // biome-ignore lint/suspicious/noExplicitAny: each route replies in a shape of its own, and each test checks the members that it reads
  json: any;
}

export interface GuardedAsk {
  /** A list stands for as many lines of that name. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  body?: unknown;
  /** Of TLS. */
  tls?: RequestOptions & { cert?: string; key?: string; ca?: string };
}

export interface GuardedHost {
  url: string;
  services: Services;
  clock: OffsetClock;
  /** Lines of the log. */
  lines: string[];
  ask(method: string, path: string, ask?: GuardedAsk): Promise<GuardedAnswer>;
  /** Issues a credential, and gives its secret. */
  issue(input: IssueCredentialInput): Promise<{ credentialId: string; secret: string }>;
  /** A registered agent with a token of its own. */
  agent(role?: AgentRole, agentId?: string): Promise<{ agentId: string; token: string; credentialId: string }>;
  stop(): Promise<void>;
}

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

function codeOf(status: number, text: string): string {
  if (status < 300) return "accepted";
  try {
    return String(JSON.parse(text).code);
  } catch {
    return text;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function send(base: string, method: string, path: string, { headers, body, tls }: GuardedAsk): Promise<GuardedAnswer> {
  const url = new URL(base);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const json = { "content-type": "application/json", "content-length": String(Buffer.byteLength(text ?? "")) };
  const all = { host: url.host, connection: "close", ...(text !== undefined && json), ...headers };
  const options: RequestOptions = {
    hostname: url.hostname,
    port: url.port,
    method,
    path: `${url.pathname}${path}`,
    headers: Object.entries(all).flatMap(([name, value]) => [value].flat().flatMap((line) => [name, line])),
    agent: false,
    ...tls,
  };
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === "https:" ? secureRequest : request)(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const answer = Buffer.concat(chunks).toString("utf8");
        const status = incoming.statusCode ?? 0;
        resolve({
          status,
          headers: incoming.headers,
          text: answer,
          code: codeOf(status, answer),
          json: jsonOf(answer),
        });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(text);
  });
}

/** @param settings beside those of a free port and a file of its own */
export async function startGuardedHost(
  settings: Readonly<Record<string, string>> = {},
  options: { underFunctions?: boolean } = {},
): Promise<GuardedHost> {
  const folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
  const clock = new OffsetClock();
  const config = readConfig(
    {
      AGENT_AUTH_MODE: "required",
      AGENT_HTTP_PORT: "0",
      AGENT_MOCK_DATABASE: join(folder, "agents.db"),
      // Tests come from one address; those about limits set their own.
      AGENT_RATE_LIMIT_PER_SOURCE: "0",
      AGENT_BAD_CREDENTIALS_PER_SOURCE: "0",
      ...settings,
    },
    options,
  );
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line));
  const store = await openStore(config, clock);
  const services = createServices({ config, clock, store, log });
  const server = await startServer(services, { routes, faces }, log);
  const issue = async (input: IssueCredentialInput) => {
    const { credential, secret } = await services.credentials.issue(input);
    return { credentialId: credential.credentialId, secret: secret ?? "" };
  };
  return {
    url: server.url,
    services,
    clock,
    lines,
    ask: (method, path, ask = {}) => send(server.url, method, path, ask),
    issue,
    async agent(role = "worker", agentId = `${role}-${randomUUID()}`) {
      await services.registry.register({ agentId, role, maxConcurrentTasks: 10 });
      const { credentialId, secret } = await issue({ kind: "token", agentId });
      return { agentId, token: secret, credentialId };
    },
    async stop() {
      await server.close();
      services.messages.close();
      await services.refusals.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
