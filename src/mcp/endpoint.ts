import {
  createMcpHandler,
  isLegacyRequest,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import type { Caller } from "../lib/gates/caller.ts";
import { refuseForeignOrigin } from "../lib/gates/foreign-origin.ts";
import { charged, inSteps } from "../lib/http/charged.ts";
import { noteRefusal } from "../lib/http/dispatch.ts";
import { observedRequest } from "../lib/http/observed-request.ts";
import { asPublicError, COMMON_HEADERS, type RawReply } from "../lib/http/problem.ts";
import { type RawRequest, readJson, readQuery } from "../lib/http/request-input.ts";
import { agentIdSchema } from "../lib/model/agent.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import { REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { parse } from "../lib/model/parse.ts";
import type { Services } from "../lib/services.ts";
import type { Log } from "../lib/trace/log.ts";
import type { Exchange } from "./exchange.ts";
import { MCP_HEADERS, MCP_PATH, RPC, rpcRefusal } from "./face.ts";
import { readReply } from "./read-reply.ts";
import { createServer } from "./server.ts";

/**
 * One request by MCP over HTTP, without a session: 2026-07-28 goes to the SDK's handler, earlier revisions to its stateless transport.
 * The body is read by our own reader, with its limits. https://modelcontextprotocol.io/specification/2026-07-28/basic/transports
 */

/** What the SDK looks at of the headers. */
const PASSED_HEADERS = ["accept", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name"] as const;

/** As telemetry and logs know it. */
const REQUEST = { key: `POST ${MCP_PATH}`, method: "POST", path: MCP_PATH, idle: false } as const;

/** The exchange that a request of the SDK belongs to. */
const exchanges = new WeakMap<Request, Exchange>();

const modern = createMcpHandler(
  ({ requestInfo }) => {
    const exchange = requestInfo && exchanges.get(requestInfo);
    if (exchange === undefined) throw new Error("a request without its exchange");
    return createServer(exchange);
  },
  { legacy: "reject" },
);

async function serveLegacy(request: Request, body: unknown, exchange: Exchange): Promise<Response> {
  const server = createServer(exchange);
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  try {
    return await transport.handleRequest(request, { parsedBody: body });
  } finally {
    await server.close();
  }
}

/** The agent that calls. @throws INVALID_REQUEST, FORBIDDEN */
function agentIdOf(raw: RawRequest, caller: Caller): string | undefined {
  const { agent } = readQuery(raw.query);
  const named = agent ?? raw.header("x-agent-id");
  const agentId = named === undefined ? undefined : parse(agentIdSchema, named, "name of the agent");
  if (caller.kind === "enrolment") {
    const detail = "An enrolment key cannot speak MCP: register with it, and connect with the token of the agent.";
    throw new AgentCommunicationError("FORBIDDEN", detail);
  }
  if (caller.kind !== "agent") return agentId;
  if (agent === undefined || agent === caller.agentId) return caller.agentId;
  throw new AgentCommunicationError("FORBIDDEN", `The credential belongs to ${caller.agentId}, not to ${agent}.`);
}

function requestOf(raw: RawRequest): Request {
  const headers = PASSED_HEADERS.flatMap((name): [string, string][] => {
    const value = raw.header(name);
    return value === undefined ? [] : [[name, value]];
  });
  // Nothing of the address counts; a body that is not read twice need not be there.
  return new Request(`http://localhost${MCP_PATH}`, { method: "POST", headers });
}

/** The id of a request of JSON-RPC, to be named in what refuses it. */
function idOf(body: object): string | number | null {
  const id: unknown = Reflect.get(body, "id");
  return typeof id === "string" || typeof id === "number" ? id : null;
}

/** What is refused before the SDK sees it. */
function refused(body: unknown): RawReply | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const detail = "Send one request of JSON-RPC as an object; batches are not served.";
    return rpcRefusal(new AgentCommunicationError("INVALID_REQUEST", detail), RPC.invalidRequest);
  }
  if (Reflect.get(body, "method") === "subscriptions/listen") {
    const error = new AgentCommunicationError("NOT_FOUND", "Nothing can be listened to: this server does not stream.");
    return rpcRefusal(error, RPC.methodNotFound, idOf(body));
  }
  return undefined;
}

/** The body as JSON, or what refuses it as an error of JSON-RPC. */
async function readBody(
  raw: RawRequest,
  cost: { milliseconds: number; bytes: number },
): Promise<{ body: unknown } | { refusal: RawReply; error: AgentCommunicationError }> {
  try {
    return { body: await inSteps(readJson(REQUEST_MAX_BYTES, raw), raw.bytes, cost) };
  } catch (error) {
    const known = asPublicError(error);
    if (known.code !== "INVALID_REQUEST") throw known;
    return { refusal: rpcRefusal(known, RPC.parse), error: known };
  }
}

/**
 * Answers a POST to `/mcp`.
 *
 * @throws what refuses it by HTTP: FORBIDDEN, INVALID_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
 */
export async function answerMcp(services: Services, raw: RawRequest, caller: Caller, log: Log): Promise<RawReply> {
  refuseForeignOrigin(raw.header, services.publicUrl.origin);
  const agentId = agentIdOf(raw, caller);
  const answer = () =>
    charged(services, caller, raw.bytes, async (cost) => {
      const read = await readBody(raw, cost);
      if ("refusal" in read) {
        noteRefusal(read.error, REQUEST.key, log, services.telemetry);
        return read.refusal;
      }
      const early = refused(read.body);
      if (early !== undefined) return early;
      const { header, signal } = raw;
      return serve(raw, read.body, { services, caller, agentId, header, signal, cost, log });
    });
  const { telemetry } = services;
  return telemetry === undefined ? answer() : observedRequest(telemetry, REQUEST, raw.header("traceparent"), answer);
}

async function serve(raw: RawRequest, body: unknown, exchange: Exchange): Promise<RawReply> {
  const request = requestOf(raw);
  const legacy = await isLegacyRequest(request, body);
  if (!legacy) exchanges.set(request, exchange);
  const response = await (legacy ? serveLegacy(request, body, exchange) : modern.fetch(request, { parsedBody: body }));
  const text = await readReply(response, exchange.services.clock);
  return { status: response.status, headers: text === "" ? COMMON_HEADERS : MCP_HEADERS, text };
}
