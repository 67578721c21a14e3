import { Server } from "@modelcontextprotocol/server";
import { VERSION } from "../lib/model/version.ts";
import { callTool } from "./call-tool.ts";
import { audienceOf, type Exchange } from "./exchange.ts";
import { instructionsFor } from "./instructions.ts";
import { getPrompt, promptList } from "./prompts.ts";
import { readResource, resourceListFor, resourceTemplates } from "./resources.ts";
import { toolListFor } from "./tool-list.ts";

/** The server of one exchange, over the SDK's own. Both eras of the protocol get the same one. */

/** A list is the same for an hour at least: it changes with a release or the caller's role. */
const LIST = { ttlMs: 3_600_000, cacheScope: "private" } as const;
/** What is read changes at any time. */
const READ = { ttlMs: 0, cacheScope: "private" } as const;

export function createServer(exchange: Exchange): Server {
  const audience = audienceOf(exchange.caller);
  const server = new Server(
    { name: "agent-communication", title: "agent-communication", version: VERSION },
    {
      capabilities: { tools: {}, resources: {}, prompts: {} },
      instructions: instructionsFor(audience),
      cacheHints: {
        "tools/list": LIST,
        "resources/list": LIST,
        "resources/templates/list": LIST,
        "prompts/list": LIST,
        "resources/read": READ,
      },
    },
  );
  server.setRequestHandler("tools/list", () => toolListFor(audience));
  server.setRequestHandler("tools/call", ({ params }) => callTool(exchange, params.name, params.arguments));
  server.setRequestHandler("resources/list", () => resourceListFor(exchange));
  server.setRequestHandler("resources/templates/list", () => resourceTemplates);
  server.setRequestHandler("resources/read", ({ params }) => readResource(exchange, params.uri));
  server.setRequestHandler("prompts/list", () => promptList);
  server.setRequestHandler("prompts/get", ({ params }) => getPrompt(params.name, params.arguments));
  return server;
}
