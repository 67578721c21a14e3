import { LONG_REQUEST_BYTES, nextRound } from "../base/event-loop.ts";
import { ANYONE, authorise, type Reach, type RequestParts, reachOf } from "../gates/access.ts";
import type { AgentCaller, Caller } from "../gates/caller.ts";
import { withhold } from "../gates/withhold.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { formatTraceparent, parseTraceparent } from "../model/traceparent.ts";
import type { Services } from "../services.ts";
import { actingAs, type CallContext, UNNAMED_ACTOR } from "../trace/call-context.ts";
import { inTrace } from "../trace/current-trace.ts";
import { errorFields, type Log } from "../trace/log.ts";
import { processorWatch } from "../trace/processor-watch.ts";
import type { Telemetry } from "../trace/telemetry.ts";
import { callContextOf } from "./call-context-of.ts";
import { observedRequest } from "./observed-request.ts";
import { allowedMethods } from "./path-matching.ts";
import { asPublicError, COMMON_HEADERS, problemReply, type RawReply } from "./problem.ts";
import { extraCost } from "./request-cost.ts";
import { parseInput, type RawRequest } from "./request-input.ts";
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
  telemetry?.count("agent_communication.refusals", 1, { code: known.code, route });
  if (known.status >= 500) log.error("request failed", { ...errorFields(known.cause), route, problem: known.code });
  return problemReply(known);
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
  const { bytes } = raw;
  const caller = "credentialId" in shown ? shown.credentialId : undefined;
  const turn = services.turns.next(bytes, route.longWork === true || services.gate.isDear?.(shown), caller);
  if (turn !== undefined) await turn;
  const replyTurn = route.longReply && services.replyTurns.next(0, true, caller);
  if (replyTurn) await replyTurn;
  const cost = { milliseconds: 0, bytes };
  try {
    const steps = parseInput(route, raw);
    const parsed = bytes < LONG_REQUEST_BYTES ? parsedAtOnce(steps, cost) : await parsedInRounds(steps, cost);
    const reply = await handle(services, route, shown, parsed, raw, cost);
    cost.bytes += reply.text.length;
    return reply;
  } finally {
    const extra = extraCost(cost.bytes, cost.milliseconds);
    if (extra > 0) services.gate.charge?.(shown, extra);
  }
}

/** What a request takes. */
interface Cost {
  /** Of the processor, for parsing and checking. */
  milliseconds: number;
  /** Of the body, and of the reply. */
  bytes: number;
}

type ParsingSteps = ReturnType<typeof parseInput>;

function parsedAtOnce(steps: ParsingSteps, cost: Cost): RequestParts {
  const elapsed = processorWatch();
  try {
    for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
  } finally {
    cost.milliseconds += elapsed();
  }
}

/** Everything else that has arrived is served between the steps, and is not charged to this caller. */
async function parsedInRounds(steps: ParsingSteps, cost: Cost): Promise<RequestParts> {
  for (;;) {
    const elapsed = processorWatch();
    let step: ReturnType<ParsingSteps["next"]>;
    try {
      step = steps.next();
    } finally {
      cost.milliseconds += elapsed();
    }
    await nextRound();
    if (step.done === true) return step.value;
  }
}

async function handle(
  services: Services,
  route: Route,
  shown: Caller,
  parsed: RequestParts,
  raw: RawRequest,
  cost: Cost,
): Promise<RawReply> {
  const caller = route.changesRights === true ? await asOfNow(shown) : shown;
  const { reach, parts } = await authorise(route.allow, caller, parsed, services);
  // One object literal with a getter: the signal costs nothing unless a handler waits.
  const input = {
    params: parts.params,
    query: parts.query,
    body: parts.body,
    header: raw.header,
    caller,
    get signal() {
      return raw.signal();
    },
  };
  const context = callContextOf(caller, parts, route.namesOthers);
  context.bytes = raw.bytes;
  context.spend = (milliseconds) => {
    cost.milliseconds += milliseconds;
  };
  if (caller.kind === "agent") context.confirm = () => confirmStill(services, route, caller, context, { reach, parts });
  if (reach !== "without contents") return write(await actingAs(context, () => route.handler(services, input)));
  const reply = await actingAs({ ...context, withoutContents: true }, () => route.handler(services, input));
  return write("body" in reply ? { ...reply, body: withhold(reply.body) } : reply);
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
