import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from "@azure/functions";
import { type Config, readConfig, tellUnknownSettings } from "../lib/config/config.ts";
import { onAzure } from "../lib/config/platform.ts";
import { openClientCertificates } from "../lib/gates/caller-verifier.ts";
import type { Approach } from "../lib/gates/gate.ts";
import { dispatch, dispatchUnknown, NO_ROUTE, needsCredential, replyWithError } from "../lib/http/dispatch.ts";
import { type Face, OTHER_METHODS } from "../lib/http/face.ts";
import { isUnderApi } from "../lib/http/path-matching.ts";
import { asPublicError, type RawReply, TLS_HEADERS } from "../lib/http/problem.ts";
import type { RawRequest } from "../lib/http/request-input.ts";
import { methodsOf, type Route } from "../lib/http/route.ts";
import { runTimer } from "../lib/http/run-timer.ts";
import { systemClock } from "../lib/model/clock.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import { createServices, type Services } from "../lib/services.ts";
import { openStore } from "../lib/store/open-store.ts";
import { openTelemetry } from "../lib/telemetry/open.ts";
import { errorFields, type Log, lineLog } from "../lib/trace/log.ts";
import { faultListener } from "../lib/trace/store-faults.ts";
import type { Telemetry } from "../lib/trace/telemetry.ts";
import { faces } from "./faces.ts";
import { routes } from "./route-table.ts";
import { timers } from "./timers.ts";

/** The Azure Functions host: the same route table and timers, registered with the platform. */

// The host takes what a process writes to its error output for errors, and lets them through.
const lines = lineLog((line, level) => (level === "error" ? console.error(line) : console.log(line)));
const stopping = new AbortController();
// Read while the host loads us: bad settings must stop the app at its start, not each request.
const config: Config = readConfig(process.env, { underFunctions: true });
tellUnknownSettings(config, lines);

const { clientCertificates } = config.security;
if (clientCertificates !== undefined) await openClientCertificates(clientCertificates, systemClock, lines);

// Begins to load while the host goes on; nothing waits for it but the first request.
const telemetryOpened = openTelemetry(config.telemetry, systemClock, lines);
let telemetry: Telemetry | undefined;
/** The log of what belongs to no invocation. */
let processLog = lines;

let opened: Promise<Services> | undefined;

async function open(): Promise<Services> {
  telemetry = await telemetryOpened;
  processLog = telemetry?.tee(lines) ?? lines;
  const store = await openStore(config, systemClock, faultListener(processLog, telemetry));
  const made = createServices({ config, clock: systemClock, store, telemetry, log: processLog });
  // `func start` says so; on Azure it is a public name, which counts only where AGENT_PUBLIC_URL is set to it.
  made.publicUrl.listensOn(`http://${process.env.WEBSITE_HOSTNAME ?? ""}`);
  return made;
}

/** The services of this process, made on first use. @throws STORE_UNAVAILABLE when the store cannot be opened (yet) */
async function services(): Promise<Services> {
  opened ??= open();
  try {
    return await opened;
  } catch (error) {
    opened = undefined;
    throw new AgentCommunicationError("STORE_UNAVAILABLE", "The store cannot be opened.", { cause: error });
  }
}

/** The log of one invocation: the platform puts its lines beside the request that they belong to. */
function logOf(context: InvocationContext): Log {
  const ofInvocation = lineLog((line, level) => (level === "error" ? context.error(line) : context.info(line)));
  return telemetry?.tee(ofInvocation) ?? ofInvocation;
}

/** On Azure the front end speaks TLS for us. */
const HOST_HEADERS: Readonly<Record<string, string>> = onAzure(process.env) ? TLS_HEADERS : {};

function toResponse(reply: RawReply, method: string): HttpResponseInit {
  const response = { status: reply.status, headers: { ...HOST_HEADERS, ...reply.headers } };
  return method === "HEAD" ? response : { ...response, body: reply.text };
}

function headerReader(request: HttpRequest): (name: string) => string | undefined {
  return (name) => request.headers.get(name) ?? undefined;
}

/**
 * The host hands on only bodies that say their length (azure-functions-nodejs-library#171): of any other nothing arrives, and it
 * must not be taken for an absent one, which means {}.
 */
function refuseLostBody(request: HttpRequest): void {
  if (request.body !== null || !request.headers.has("transfer-encoding")) return;
  if (request.method === "GET" || request.method === "HEAD") return;
  throw new AgentCommunicationError("INVALID_REQUEST", "Send the body with a Content-Length, not in chunks.");
}

function approachOf(request: HttpRequest): Approach {
  return {
    // Headers joins what was repeated by commas.
    header: headerReader(request),
    // The platform tells neither: the caller's address is in X-Forwarded-For, its certificate in X-ARR-ClientCert.
    remoteAddress: () => undefined,
    clientCertificate: () => undefined,
  };
}

async function rawRequest(request: HttpRequest): Promise<RawRequest> {
  refuseLostBody(request);
  const { search } = new URL(request.url);
  const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
  return {
    params: request.params,
    query: search.slice(1),
    header: headerReader(request),
    bytes: body?.length ?? 0,
    body,
    // The platform does not say when a caller has gone.
    signal: () => stopping.signal,
  };
}

function registerRoute(route: Route): void {
  app.http(route.name, {
    authLevel: "anonymous",
    methods: methodsOf(route),
    route: route.path.slice(1),
    handler: async (request, context) => {
      const log = logOf(context);
      try {
        const running = await services();
        const caller = await running.gate.admit(approachOf(request), needsCredential(route));
        return toResponse(await dispatch(running, route, await rawRequest(request), caller, log), request.method);
      } catch (error) {
        return toResponse(replyWithError(error, route.key, log, await telemetryOpened), request.method);
      }
    },
  });
}

function registerFace(face: Face): void {
  app.http(face.name, {
    authLevel: "anonymous",
    methods: ["POST", ...OTHER_METHODS],
    route: face.path.slice(1),
    handler: async (request, context) => {
      if (request.method !== "POST") return toResponse(face.otherMethod, request.method);
      const log = logOf(context);
      try {
        const running = await services();
        const caller = await running.gate.admit(approachOf(request), needsCredential(undefined));
        return toResponse(await face.answer(running, await rawRequest(request), caller, log), request.method);
      } catch (error) {
        return toResponse(face.refuse(error, log, await telemetryOpened), request.method);
      }
    },
  });
}

for (const route of routes) registerRoute(route);
for (const face of faces) registerFace(face);

// The host tries functions in the order of their names and answers what none serves with an empty 404, so the last of
// all takes the rest and gives problem documents.
app.http("zzFallback", {
  authLevel: "anonymous",
  methods: ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"],
  route: "{*path}",
  handler: async (request, context) => {
    const { pathname } = new URL(request.url);
    if (!isUnderApi(pathname)) return toResponse(NO_ROUTE, request.method);
    try {
      await (await services()).gate.admit(approachOf(request), needsCredential(undefined));
      return toResponse(dispatchUnknown(routes, request.method, pathname), request.method);
    } catch (error) {
      return toResponse(replyWithError(error, "no route", logOf(context), await telemetryOpened), request.method);
    }
  },
});

for (const timer of timers) {
  app.timer(timer.name, {
    schedule: timer.schedule(config),
    handler: async (_, context) => {
      try {
        const running = await services();
        await runTimer(running, timer, logOf(context));
      } catch (error) {
        logOf(context).error("timer failed", { ...errorFields(error), timer: timer.name });
        // The run has to count as failed, and the host logs what it failed with.
        throw asPublicError(error);
      }
    },
  });
}

// While the host is still starting, so that the first request does not wait for it. What fails is tried again by that request.
app.hook.appStart(async () => {
  try {
    const { store } = await services();
    void store.checkHealth().catch(() => {});
  } catch (error) {
    processLog.error("the store cannot be opened yet", errorFields(error));
  }
});

app.hook.appTerminate(async () => {
  stopping.abort();
  const running = await opened?.catch(() => undefined);
  running?.messages.close();
  await running?.refusals.close();
  // Before the store is closed: the last gauges are read from it.
  await (await telemetryOpened)?.stop();
  await running?.store.close();
});
