import { ANYONE } from "../lib/gates/access.ts";
import { callRoute } from "../lib/http/dispatch.ts";
import type { Route } from "../lib/http/route.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import type { Audience, Exchange, Me } from "./exchange.ts";
import type { Call } from "./tool.ts";

/** Calls of routes on behalf of the caller of an exchange. */

/** @returns calls routes as the caller; see `callRoute` for what they throw */
export function callsOf(exchange: Exchange): Call {
  const { services, caller, log } = exchange;
  return async (route, parts) => {
    const given = { params: parts.params ?? {}, query: parts.query ?? {}, body: parts.body };
    const reply = await callRoute(services, route, { ...exchange, given }, caller, log);
    return "body" in reply ? reply.body : reply.text;
  };
}

/** The agent that calls. @throws INVALID_REQUEST when the request names no agent */
export function meOf({ agentId, caller }: Exchange): Me {
  if (agentId === undefined) {
    const detail =
      "No agent is named as the caller: send the header X-Agent-Id, or connect to /mcp?agent=ID, with an id of your own.";
    throw new AgentCommunicationError("INVALID_REQUEST", detail);
  }
  return { agentId, role: caller.kind === "agent" ? caller.role : undefined };
}

/** Whether a role may call a route at all. */
export function mayCall(audience: Audience, { allow }: Pick<Route, "allow">): boolean {
  return audience === "believed" || allow === ANYONE || allow.roles[audience] !== undefined;
}
