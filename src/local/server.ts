import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { AgentCommunicationError, isAgentCommunicationError } from "../lib/errors.ts";
import { dispatch, dispatchUnknown, needsCredential, replyWithError } from "../lib/http/dispatch.ts";
import { PREFIX, pathOf } from "../lib/http/path-matching.ts";
import { asPublicError, problemReply, type RawReply } from "../lib/http/problem.ts";
import type { RawRequest } from "../lib/http/request-input.ts";
import type { Route } from "../lib/http/route.ts";
import { REQUEST_MAX_BYTES } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Caller } from "../lib/security/caller.ts";
import type { Services } from "../lib/services.ts";
import { readBody } from "./body-reader.ts";
import { CallerSignals } from "./caller-signals.ts";

/** The local host: the route table on Fastify, without Azure. */

/** A request, headers and body, must have arrived after this: slow or dead callers hold nothing for longer. */
const REQUEST_TIMEOUT_MILLISECONDS = 30_000;
/** A connection on which nothing moves for this long is closed; longer than the longest poll. */
const CONNECTION_TIMEOUT_MILLISECONDS = 60_000;
const KEEP_ALIVE_TIMEOUT_MILLISECONDS = 72_000;
/** How long requests under way may take to end once the host stops. */
const CLOSE_GRACE_MILLISECONDS = 5_000;
/** The query and the path share what node allows for all headers, so a longer id reaches us and is answered with 400. */
const MAX_PARAM_CHARACTERS = 16_384;

type Parameters = Readonly<Record<string, string>>;

function send(reply: FastifyReply, answer: RawReply): FastifyReply {
  reply.code(answer.status);
  for (const name in answer.headers) reply.header(name, answer.headers[name]);
  return reply.send(answer.text);
}

function headerReader(message: IncomingMessage): (name: string) => string | undefined {
  return (name) => {
    const value = message.headers[name];
    return typeof value === "string" || value === undefined ? value : value.join(",");
  };
}

function queryOf(url: string): string {
  const mark = url.indexOf("?");
  return mark < 0 ? "" : url.slice(mark + 1);
}

function pathOnly(url: string): string {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
}

function rawRequest(
  request: FastifyRequest<{ Params: Parameters }>,
  reply: FastifyReply,
  signals: CallerSignals,
): RawRequest {
  const { raw, body, params } = request;
  return {
    params,
    query: queryOf(raw.url ?? ""),
    header: headerReader(raw),
    body: body instanceof Buffer ? body : undefined,
    signal: () => signals.of(reply.raw),
  };
}

/** What Fastify itself refuses, in our words. */
function asOurs(error: unknown): unknown {
  if (isAgentCommunicationError(error)) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new AgentCommunicationError("UNSUPPORTED_MEDIA_TYPE", "Send the body as Content-Type: application/json.");
  }
  if (code === "FST_ERR_BAD_URL") return new AgentCommunicationError("INVALID_REQUEST", "The path is not a valid URL.");
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new AgentCommunicationError("INVALID_REQUEST", "The request is not valid HTTP.", { cause: error });
  }
  return error;
}

/** The route's template; for paths that none serves the method alone, whatever the path. */
function routeOf(request: FastifyRequest): string {
  const { url } = request.routeOptions;
  return url === undefined ? request.method : `${request.method} ${url}`;
}

/** Answers what node's parser could not read: there is no request, only a socket. */
function answerBrokenHttp(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const problem = problemReply(
    tooLarge
      ? new AgentCommunicationError("PAYLOAD_TOO_LARGE", "The path and headers are too large.")
      : new AgentCommunicationError("INVALID_REQUEST", "The request is not valid HTTP, or did not arrive in time."),
  );
  const headers = {
    ...problem.headers,
    "content-length": String(Buffer.byteLength(problem.text)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = tooLarge ? "Payload Too Large" : "Bad Request";
  socket.end(`HTTP/1.1 ${problem.status} ${reason}\r\n${lines.join("")}\r\n${problem.text}`);
}

/** Asks the gate before anything of the body is read, and keeps its answer beside the request. */
class Admissions {
  readonly #services: Services;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor(services: Services) {
    this.#services = services;
  }

  /** @throws what the gate refuses with */
  async admit(request: FastifyRequest, route: Route | undefined): Promise<void> {
    const approach = { header: headerReader(request.raw) };
    this.#callers.set(request, await this.#services.gate.admit(approach, needsCredential(route)));
  }

  callerOf(request: FastifyRequest): Caller {
    // Without an answer of the gate nobody is let in.
    return this.#callers.get(request) ?? { kind: "anonymous" };
  }
}

interface Serving {
  services: Services;
  admissions: Admissions;
  signals: CallerSignals;
  log: Log;
}

function addRoute(app: FastifyInstance, route: Route, serving: Serving): void {
  const { services, admissions, signals, log } = serving;
  const url = PREFIX + pathOf(route).replaceAll(/\{(\w+)\}/g, ":$1");
  app.route<{ Params: Parameters }>({
    method: route.method,
    url,
    bodyLimit: route.maxBodyBytes ?? REQUEST_MAX_BYTES,
    onRequest: (request) => admissions.admit(request, route),
    handler: async (request, reply) => {
      const raw = rawRequest(request, reply, signals);
      return send(reply, await dispatch(services, route, raw, admissions.callerOf(request), log));
    },
  });
}

function createApp(): FastifyInstance {
  return fastify({
    logger: false,
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MILLISECONDS,
    connectionTimeout: CONNECTION_TIMEOUT_MILLISECONDS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MILLISECONDS,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    http: { connectionsCheckingInterval: 5_000 },
    // As the Functions host: literals in any case, one trailing slash accepted, parameters as they are.
    routerOptions: {
      caseSensitive: false,
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: false,
      maxParamLength: MAX_PARAM_CHARACTERS,
    },
    clientErrorHandler: answerBrokenHttp,
    frameworkErrors: (error, _request, reply) => {
      send(reply, problemReply(asPublicError(asOurs(error))));
    },
  });
}

/**
 * Connections on which no request has arrived yet: node does not count them as idle, and a client that keeps one in
 * reserve would hold up the stop for the whole grace.
 */
function trackSilent(app: FastifyInstance): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  app.server.on("connection", (socket: Socket) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
  });
  app.server.on("request", (request: IncomingMessage) => silent.delete(request.socket));
  return silent;
}

/** A listening host. */
export interface LocalServer {
  /** Where it listens: `http://127.0.0.1:7071/api`. */
  url: string;
  /** Takes no more requests, ends long polls at once and finishes the rest. */
  close(): Promise<void>;
}

/**
 * Serves `routes` on the address of the settings.
 *
 * @throws Error of the socket, with its code, when the address cannot be had
 */
export async function startServer(services: Services, routes: readonly Route[], log: Log): Promise<LocalServer> {
  const { config, clock } = services;
  const app = createApp();
  const signals = new CallerSignals();
  // Every body reaches our own reader, whatever its type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request, payload: IncomingMessage, done) => {
    readBody(payload, request.routeOptions.bodyLimit, done);
  });
  app.setErrorHandler((error, request, reply) => {
    send(reply, replyWithError(asOurs(error), routeOf(request), log, services.telemetry));
  });
  const admissions = new Admissions(services);
  app.setNotFoundHandler(
    { preValidation: (request: FastifyRequest) => admissions.admit(request, undefined) },
    (request, reply) => {
      send(reply, dispatchUnknown(routes, request.method, pathOnly(request.raw.url ?? "")));
    },
  );
  for (const route of routes) addRoute(app, route, { services, admissions, signals, log });
  const silent = trackSilent(app);
  const address = await app.listen({ host: config.httpHost, port: config.httpPort });
  return {
    url: `${address}${PREFIX}`,
    async close() {
      signals.stop();
      const cancel = clock.after(CLOSE_GRACE_MILLISECONDS, () => app.server.closeAllConnections());
      const closed = app.close();
      for (const socket of silent) socket.destroy();
      await closed;
      cancel();
    },
  };
}
