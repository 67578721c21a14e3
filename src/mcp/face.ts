import { noteRefusal } from "../lib/http/dispatch.ts";
import type { Face } from "../lib/http/face.ts";
import { asPublicError, COMMON_HEADERS, problemReply, type RawReply } from "../lib/http/problem.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import { REQUEST_MAX_BYTES } from "../lib/model/limits.ts";

/**
 * The Model Context Protocol at `/mcp`, as the hosts know it. The rest is loaded with the first request: a process that nobody asks by
 * MCP pays nothing for it.
 */

/** JSON-RPC 2.0, section 5.1. */
export const RPC = {
  parse: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
} as const;
/** For refusals that are of HTTP, not of JSON-RPC; of the range that the protocol leaves to implementations. */
const REFUSED = -32_000;

export const MCP_PATH = "/mcp";

/**
 * An error of JSON-RPC as the whole reply.
 *
 * @param code of JSON-RPC; absent: one that says nothing beyond the status
 * @param id of the request; null where it could not be read
 */
export function rpcRefusal(
  error: AgentCommunicationError,
  code: number = REFUSED,
  id: string | number | null = null,
): RawReply {
  // Status, Retry-After and the challenge are those of every other path.
  const { status, headers } = problemReply(error);
  const { code: name, message, errors } = error;
  const text = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data: { code: name, errors } } });
  return { status, headers: { ...headers, "content-type": "application/json" }, text, code: name };
}

export const mcpFace: Face = {
  name: "mcp",
  path: MCP_PATH,
  maxBodyBytes: REQUEST_MAX_BYTES,
  async answer(services, raw, caller, log) {
    try {
      const { answerMcp } = await import("./endpoint.ts");
      return await answerMcp(services, raw, caller, log);
    } catch (error) {
      return this.refuse(error, log, services.telemetry);
    }
  },
  refuse(error, log, telemetry) {
    const known = asPublicError(error);
    noteRefusal(known, `POST ${MCP_PATH}`, log, telemetry);
    return rpcRefusal(known);
  },
  otherMethod: rpcRefusal(
    new AgentCommunicationError("METHOD_NOT_ALLOWED", "MCP is served by POST, without sessions and streams.", {
      allow: ["POST"],
    }),
  ),
};

/** Headers of every reply. */
export const MCP_HEADERS = { ...COMMON_HEADERS, "content-type": "application/json" } as const;
