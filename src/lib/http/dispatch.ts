import { ANYONE, authorise, type Reach, type RequestParts, reachOf } from "../gates/access.ts";
import type { AgentCaller, Caller } from "../gates/caller.ts";
import { withhold } from "../gates/withhold.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { formatTraceparent, parseTraceparent } from "../model/traceparent.ts";
import type { Services } from "../services.ts";
import { actingAs, type CallContext, UNNAMED_ACTOR } from "../trace/call-context.ts";
import { inTrace } from "../trace/current-trace.ts";
import { errorFields, type Log } from "../trace/log.ts";
import type { Telemetry } from "../trace/telemetry.ts";
import { callContextOf } from "./call-context-of.ts";
import { type Cost, charged, inSteps, turnOf } from "./charged.ts";
import { observedRequest } from "./observed-request.ts";
import { allowedMethods } from "./path-matching.ts";
import { asPublicError, COMMON_HEADERS, problemReply, type RawReply } from "./problem.ts";
import { type GivenParts, parseInput, parseParts, type RawRequest } from "./request-input.ts";
import type { Reply, Route } from "./route.ts";

/**
 * The one pipeline that both hosts put a request through: who calls, whether the role may, parse, whether the caller may do
 * this to that, handle, reply. It never throws: whatever goes wrong becomes a problem document.
 */

const JSON_HEADERS = { ...COMMON_HEADERS, "content-type": "application/json; charset=utf-8" } as const;

function write(reply: Reply<unknown>): RawReply {
  if ("text" in reply) {
    return {
      status: reply.status,
      headers: { ...COMMON_HEADERS, "content-type": reply.contentType, ...reply.headers },
      text: reply.text,
    };
  }
  const headers = reply.headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...reply.headers };
  return { status: reply.status, headers, text: JSON.stringify(reply.body) };
}

/** The reply that says `error`, counted, and logged when it is our fault. */
export function replyWithError(error: unknown, route: string, log: Log, telemetry?: Telemetry): RawReply {
  const known = asPublicError(error);
  noteRefusal(known, route, log, telemetry);
  return problemReply(known);
}

/** Counts a refusal, and logs it when it is our fault. @param route its key, or what stands for it */
export function noteRefusal(known: AgentCommunicationError, route: string, log: Log, telemetry?: Telemetry): void {
  telemetry?.count("agent_communication.refusals", 1, { code: known.code, route });
  if (known.status >= 500) log.error("request failed", { ...errorFields(known.cause), route, problem: known.code });
}

/** Whether a route asks for a credential; what no route serves does. */
export function needsCredential(route: Route | undefined): boolean {
  return route?.allow !== ANYONE;
}

/**
 * Serves one request of a route for a caller whom the gate has admitted, in the trace that the caller names. Without
 * telemetry that trace is still handed on with messages and tasks, to agents that have telemetry of their own.
 */
export function dispatch(
  services: Services,
  route: Route,
  raw: RawRequest,
  caller: Caller,
  log: Log,
): Promise<RawReply> {
  const { telemetry } = services;
  const answer = () => serveOrRefuse(services, route, raw, caller, log);
  const traceparent = raw.header("traceparent");
  if (telemetry !== undefined) return observedRequest(telemetry, route, traceparent, answer);
  const parent = parseTraceparent(traceparent);
  return parent === undefined ? answer() : inTrace({ traceparent: formatTraceparent(parent) }, answer);
}

async function serveOrRefuse(
  services: Services,
  route: Route,
  raw: RawRequest,
  caller: Caller,
  log: Log,
): Promise<RawReply> {
  try {
    return await serve(services, route, raw, caller);
  } catch (error) {
    services.refusals.countError(caller.kind === "agent" ? caller.agentId : UNNAMED_ACTOR, error);
    return replyWithError(error, route.key, log, services.telemetry);
  }
}

async function serve(services: Services, route: Route, raw: RawRequest, shown: Caller): Promise<RawReply> {
  // Before the body is parsed: what a role may not do at all, it is not told how to do.
  reachOf(route.allow, shown);
  const work = async (cost: Cost) => {
    const parsed = await inSteps(parseInput(route, raw), raw.bytes, cost);
    return write(await handle(services, route, shown, { parsed, header: raw.header, signal: raw.signal, cost }));
  };
  return charged(services, shown, raw.bytes, work, route);
}

/** A call as `handle` takes it. */
interface ParsedCall {
  parsed: RequestParts;
  header: RawRequest["header"];
  signal: RawRequest["signal"];
  /** Of the request that it is a part of; its bytes are those of the body until now. */
  cost: Cost;
}

/** A call of a route that came in by another way than its own path, as a tool of MCP does. */
export interface InnerCall {
  given: GivenParts;
  header: RawRequest["header"];
  signal: RawRequest["signal"];
  cost: Cost;
}

/**
 * Serves a call that is a part of a request which has been admitted already: by the same rights, rules and audit, but neither admitted
 * nor charged nor counted as a request a second time.
 *
 * @returns the reply of the route
 * @throws what refuses it, as a caller may know it; counted, and logged when it is our fault
 */
export async function callRoute(
  services: Services,
  route: Route,
  call: InnerCall,
  caller: Caller,
  log: Log,
): Promise<Reply<unknown>> {
  try {
    reachOf(route.allow, caller);
    // The request has had its turn already; the work of this route may need another.
    if (route.longWork === true || route.longReply === true) await turnOf(services, caller, 0, route);
    return await handle(services, route, caller, { ...call, parsed: parseParts(route, call.given) });
  } catch (error) {
    services.refusals.countError(caller.kind === "agent" ? caller.agentId : UNNAMED_ACTOR, error);
    const known = asPublicError(error);
    noteRefusal(known, route.key, log, services.telemetry);
    throw known;
  }
}

async function handle(services: Services, route: Route, shown: Caller, call: ParsedCall): Promise<Reply<unknown>> {
  const { parsed, header, signal, cost } = call;
  const caller = route.changesRights === true ? await asOfNow(shown) : shown;
  const { reach, parts } = await authorise(route.allow, caller, parsed, services);
  // One object literal with a getter: the signal costs nothing unless a handler waits.
  const input = {
    params: parts.params,
    query: parts.query,
    body: parts.body,
    header,
    caller,
    get signal() {
      return signal();
    },
  };
  const context = callContextOf(caller, parts, route.namesOthers);
  context.bytes = cost.bytes;
  context.spend = (milliseconds) => {
    cost.milliseconds += milliseconds;
  };
  if (caller.kind === "agent") context.confirm = () => confirmStill(services, route, caller, context, { reach, parts });
  if (reach !== "without contents") return actingAs(context, () => route.handler(services, input));
  const reply = await actingAs({ ...context, withoutContents: true }, () => route.handler(services, input));
  return "body" in reply ? { ...reply, body: withhold(reply.body) } : reply;
}

/**
 * An admin as it is now, not as it was up to 5 s ago: one that another process has demoted must not use the rest of these seconds to
 * make itself, or a helper, an admin again. For other roles the store decides in the transaction.
 */
async function asOfNow(caller: Caller): Promise<Caller> {
  if (caller.kind !== "agent" || caller.role !== "admin" || caller.confirm === undefined) return caller;
  return { ...(await caller.confirm(true)), confirm: caller.confirm };
}

/** What a call that has waited may still do: asked of the gate and of the route's rule once more, and kept in its context. */
async function confirmStill(
  services: Services,
  route: Route,
  caller: AgentCaller,
  context: CallContext,
  before: { reach: Reach; parts: RequestParts },
): Promise<void> {
  const now = await caller.confirm?.();
  if (now === undefined) return;
  const { reach } = await authorise(route.allow, now, before.parts, services);
  if (reach === "without contents" && before.reach !== reach) {
    throw new AgentCommunicationError("FORBIDDEN", `The role of the caller is now ${now.role}, which may not do this.`);
  }
  context.role = now.role;
}

/** For every path that no route serves. Made once: scanners ask for thousands, and none of them costs a gate, the store or telemetry. */
export const NO_ROUTE: RawReply = problemReply(
  new AgentCommunicationError("NOT_FOUND", "No route has this path. See GET /api/openapi.json."),
);

/** What no route serves, of the paths under the API: 405 with Allow when the path is known, 404 otherwise. */
export function dispatchUnknown(routes: readonly Route[], method: string, path: string): RawReply {
  const allow = allowedMethods(routes, path);
  if (allow.length === 0 || allow.includes(method)) return NO_ROUTE;
  const detail = `This path only supports ${allow.join(", ")}.`;
  return problemReply(new AgentCommunicationError("METHOD_NOT_ALLOWED", detail, { allow }));
}
