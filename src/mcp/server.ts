import { Server } from "@modelcontextprotocol/server";
import { VERSION } from "../lib/model/version.ts";
import { callTool } from "./call-tool.ts";
import { audienceOf, type Exchange } from "./exchange.ts";
import { instructionsFor } from "./instructions.ts";
import { toolListFor } from "./tool-list.ts";

/** The server of one exchange, over the SDK's own. Both eras of the protocol get the same one. */

/** A list is the same for an hour at least: it changes with a release or the caller's role. */
const LIST_TTL_MILLISECONDS = 3_600_000;

export function createServer(exchange: Exchange): Server {
  const audience = audienceOf(exchange.caller);
  const server = new Server(
    { name: "agent-communication", title: "agent-communication", version: VERSION },
    {
      capabilities: { tools: {} },
      instructions: instructionsFor(audience),
      cacheHints: { "tools/list": { ttlMs: LIST_TTL_MILLISECONDS, cacheScope: "private" } },
    },
  );
  server.setRequestHandler("tools/list", () => toolListFor(audience));
  server.setRequestHandler("tools/call", ({ params }) => callTool(exchange, params.name, params.arguments));
  return server;
}
