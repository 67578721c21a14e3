import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
  fastify,
} from "fastify";
import type { Caller } from "../lib/gates/caller.ts";
import { dispatch, dispatchUnknown, NO_ROUTE, needsCredential, replyWithError } from "../lib/http/dispatch.ts";
import { type Face, OTHER_METHODS } from "../lib/http/face.ts";
import { isUnderApi } from "../lib/http/path-matching.ts";
import { asPublicError, problemReply, type RawReply, TLS_HEADERS } from "../lib/http/problem.ts";
import type { RawRequest } from "../lib/http/request-input.ts";
import { BASE_PATH, methodsOf, type Route } from "../lib/http/route.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../lib/model/errors.ts";
import { REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import type { Services } from "../lib/services.ts";
import type { Log } from "../lib/trace/log.ts";
import { approachOf, headerReader } from "./approach.ts";
import { readBodies } from "./bodies.ts";
import { ArrivedBody } from "./body-reader.ts";
import { answerBrokenHttp } from "./broken-http.ts";
import { CallerSignals } from "./caller-signals.ts";
import { Connections } from "./connections.ts";
import { addressesOf, listenOnOtherAddresses } from "./every-address.ts";
import { createNodeServer, MAX_CONNECTIONS_PER_ADDRESS } from "./node-server.ts";
import { SilentConnections } from "./silent-connections.ts";
import { TlsFiles } from "./tls.ts";

/** The local host: the route table on Fastify, without Azure. */

/** How long requests under way may take to end once the host stops. */
const CLOSE_GRACE_MILLISECONDS = 5_000;
/** The query and the path share what node allows for all headers, so a longer id reaches us and is answered with 400. */
const MAX_PARAM_CHARACTERS = 16_384;

type Parameters = Readonly<Record<string, string>>;

/** A longer answer is handed to node as bytes: of a text it keeps the text and its bytes until the caller has read them. */
const TEXT_MAX_CHARACTERS = 16 * 1024;

function send(reply: FastifyReply, answer: RawReply, connections: Connections): FastifyReply {
  const { text } = answer;
  const body = text.length > TEXT_MAX_CHARACTERS ? Buffer.from(text) : text;
  connections.sending(reply.raw, Buffer.byteLength(body));
  reply.code(answer.status);
  for (const name in answer.headers) reply.header(name, answer.headers[name]);
  return reply.send(body);
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
    bytes: body instanceof ArrivedBody ? body.bytes : 0,
    get body() {
      return body instanceof ArrivedBody ? body.whole() : undefined;
    },
    signal: () => {
      // Only who waits asks for it, and needs nothing of its body any more: waiting must not take the room of others.
      if (body instanceof ArrivedBody) body.release();
      return signals.of(reply.raw);
    },
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

/** Asks the gate before anything of the body is read, and keeps its answer beside the request. */
class Admissions {
  readonly #services: Services;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();

  constructor(services: Services) {
    this.#services = services;
  }

  /** Calls `done` at once where the gate knows at once, as nearly always: a turn of the event loop costs each request 1 to 2 µs. */
  admit(request: FastifyRequest, route: Route | undefined, done: (error?: Error) => void): void {
    const refuse = (error: unknown) => done(error instanceof Error ? error : new Error("refused", { cause: error }));
    const letIn = (caller: Caller) => {
      this.#callers.set(request, caller);
      done();
    };
    let caller: Caller | Promise<Caller>;
    try {
      caller = this.#services.gate.admit(approachOf(request.raw), needsCredential(route));
    } catch (error) {
      refuse(error);
      return;
    }
    if (caller instanceof Promise) void caller.then(letIn, refuse);
    else letIn(caller);
  }

  callerOf(request: FastifyRequest): Caller {
    // Without an answer of the gate nobody is let in.
    return this.#callers.get(request) ?? { kind: "anonymous" };
  }

  /** The credential whose share of the memory a body takes. */
  ownerOf(request: FastifyRequest): string | undefined {
    const caller = this.callerOf(request);
    return "credentialId" in caller ? caller.credentialId : undefined;
  }
}

interface Serving {
  services: Services;
  admissions: Admissions;
  signals: CallerSignals;
  connections: Connections;
  log: Log;
}

function addRoute(app: FastifyInstance, route: Route, serving: Serving): void {
  const { services, admissions, signals, connections, log } = serving;
  const url = route.path.replaceAll(/\{(\w+)\}/g, ":$1");
  app.route<{ Params: Parameters }>({
    method: methodsOf(route),
    url,
    bodyLimit: route.maxBodyBytes ?? REQUEST_MAX_BYTES,
    onRequest: (request, _reply, done) => admissions.admit(request, route, done),
    handler: async (request, reply) => {
      const raw = rawRequest(request, reply, signals);
      return send(reply, await dispatch(services, route, raw, admissions.callerOf(request), log), connections);
    },
  });
}

function addFace(app: FastifyInstance, face: Face, serving: Serving): void {
  const { services, admissions, signals, connections, log } = serving;
  app.route<{ Params: Parameters }>({
    method: "POST",
    url: face.path,
    bodyLimit: face.maxBodyBytes,
    onRequest: (request, _reply, done) => admissions.admit(request, undefined, done),
    handler: async (request, reply) => {
      const raw = rawRequest(request, reply, signals);
      return send(reply, await face.answer(services, raw, admissions.callerOf(request), log), connections);
    },
    errorHandler: (error, _request, reply) => {
      send(reply, face.refuse(asOurs(error), log, services.telemetry), connections);
    },
  });
  app.route({
    method: [...OTHER_METHODS],
    url: face.path,
    onRequest: (_request, reply) => void send(reply, face.otherMethod, connections),
    handler: () => undefined,
  });
}

function createApp(serverFactory: FastifyServerFactory, connections: Connections): FastifyInstance {
  return fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    serverFactory,
    // As the Functions host: literals in any case, one trailing slash accepted, parameters as they are.
    routerOptions: {
      caseSensitive: false,
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: false,
      maxParamLength: MAX_PARAM_CHARACTERS,
    },
    clientErrorHandler: (error, socket) => answerBrokenHttp(error, socket, connections),
    frameworkErrors: (error, _request, reply) => {
      send(reply, problemReply(asPublicError(asOurs(error))), connections);
    },
  });
}

/** @returns stops listening on the addresses that Fastify has not bound itself */
async function listenOnEveryAddress(app: FastifyInstance, host: string, log: Log): Promise<() => void> {
  try {
    return await listenOnOtherAddresses(app.server, await addressesOf(host), log);
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** A listening host. */
export interface LocalServer {
  /** Where it listens: `http://127.0.0.1:7071/api`. */
  url: string;
  /** Takes no more requests, ends long polls at once and finishes the rest. */
  close(): Promise<void>;
}

/**
 * Serves `routes` and `faces` on the address of the settings.
 *
 * @throws Error of the socket, with its code, when the address cannot be had
 */
export async function startServer(
  services: Services,
  { routes, faces }: { routes: readonly Route[]; faces: readonly Face[] },
  log: Log,
): Promise<LocalServer> {
  const { config, clock } = services;
  const { tls } = config.security;
  const files = tls && new TlsFiles(tls, config.security, clock, log);
  const silent = new SilentConnections();
  const perAddress = config.security.trustedProxies === 0 ? MAX_CONNECTIONS_PER_ADDRESS : undefined;
  const connections = new Connections({ perAddress }, log, clock);
  const app = createApp((listener) => createNodeServer(listener, files, silent, connections, log), connections);
  if (tls !== undefined) app.addHook("onSend", async (_request, reply) => void reply.headers(TLS_HEADERS));
  const signals = new CallerSignals();
  const admissions = new Admissions(services);
  readBodies(app, (request) => admissions.ownerOf(request));
  app.setErrorHandler((error, request, reply) => {
    send(reply, replyWithError(asOurs(error), routeOf(request), log, services.telemetry), connections);
  });
  app.addHook("onRequest", (request, reply, done) => {
    if (!request.is404) done();
    else if (isUnderApi(pathOnly(request.raw.url ?? ""))) admissions.admit(request, undefined, done);
    else send(reply, NO_ROUTE, connections);
  });
  app.setNotFoundHandler((request, reply) => {
    send(reply, dispatchUnknown(routes, request.method, pathOnly(request.raw.url ?? "")), connections);
  });
  const serving = { services, admissions, signals, connections, log };
  for (const route of routes) addRoute(app, route, serving);
  for (const face of faces) addFace(app, face, serving);
  const address = await app.listen({ host: config.httpHost, port: config.httpPort });
  const closeOthers = await listenOnEveryAddress(app, config.httpHost, log);
  // Fastify knows nothing of TLS here.
  const origin = tls === undefined ? address : address.replace(/^http:/, "https:");
  services.publicUrl.listensOn(origin);
  return {
    url: `${origin}${BASE_PATH}`,
    async close() {
      signals.stop();
      closeOthers();
      const cancel = clock.after(CLOSE_GRACE_MILLISECONDS, () => app.server.closeAllConnections());
      const closed = app.close();
      silent.close();
      await closed;
      cancel();
    },
  };
}
