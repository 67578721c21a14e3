import { AgentCommunicationError } from "../errors.ts";
import { errorFields, type Log } from "../log.ts";
import type { Services } from "../services.ts";
import { refuseForeignCaller } from "./caller-guard.ts";
import { allowedMethods } from "./path-matching.ts";
import { asPublicError, COMMON_HEADERS, problemReply, type RawReply } from "./problem.ts";
import { parseInput, type RawRequest } from "./request-input.ts";
import type { Reply, Route } from "./route.ts";

/**
 * The one pipeline that both hosts put a request through: who may call, parse, handle, reply. It never throws: whatever
 * goes wrong becomes a problem document.
 */

const JSON_HEADERS = { ...COMMON_HEADERS, "content-type": "application/json; charset=utf-8" } as const;

function write(reply: Reply<unknown>): RawReply {
  if ("text" in reply) {
    return {
      status: reply.status,
      headers: { ...COMMON_HEADERS, "content-type": reply.contentType },
      text: reply.text,
    };
  }
  const headers = reply.headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...reply.headers };
  return { status: reply.status, headers, text: JSON.stringify(reply.body) };
}

/** The reply that says `error`, logged when it is our fault. */
export function replyWithError(error: unknown, route: string, log: Log): RawReply {
  const known = asPublicError(error);
  if (known.status >= 500) log.error("request failed", { ...errorFields(known.cause), route, problem: known.code });
  return problemReply(known);
}

/** Serves one request of a route. */
export async function dispatch(services: Services, route: Route, raw: RawRequest, log: Log): Promise<RawReply> {
  try {
    refuseForeignCaller(raw.header);
    const { params, query, body } = parseInput(route, raw);
    // One object literal with a getter: the signal costs nothing unless a handler waits.
    const input = {
      params,
      query,
      body,
      header: raw.header,
      get signal() {
        return raw.signal();
      },
    };
    return write(await route.handler(services, input));
  } catch (error) {
    return replyWithError(error, route.key, log);
  }
}

/** What no route serves: 405 with Allow when the path is known, 404 otherwise. */
export function dispatchUnknown(
  routes: readonly Route[],
  method: string,
  path: string,
  header: (name: string) => string | undefined,
): RawReply {
  try {
    refuseForeignCaller(header);
  } catch (error) {
    return problemReply(asPublicError(error));
  }
  const allow = allowedMethods(routes, path);
  if (allow.length === 0 || allow.includes(method)) {
    return problemReply(new AgentCommunicationError("NOT_FOUND", "No route has this path. See GET /api/openapi.json."));
  }
  const detail = `This path is served for ${allow.join(", ")} only.`;
  return problemReply(new AgentCommunicationError("METHOD_NOT_ALLOWED", detail, { allow }));
}
