import { type CallToolResult, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { asPublicError } from "../lib/http/problem.ts";
import type { AgentCommunicationError } from "../lib/model/errors.ts";
import { parse } from "../lib/model/parse.ts";
import { callsOf, meOf } from "./caller-calls.ts";
import type { Exchange } from "./exchange.ts";
import { fitting } from "./reply-size.ts";
import type { Tool } from "./tool.ts";
import { tools } from "./tool-table.ts";
import { visible } from "./untrusted.ts";

/** Carries a call of a tool out. What refuses it is a result that a model can read and act on, not an error of the protocol. */

const byName = new Map(tools.map((tool) => [tool.name, tool]));

function refusal({ code, message, errors, retryAfterSeconds }: AgentCommunicationError): CallToolResult {
  const shown = { code, detail: visible(message), errors, retryAfterSeconds };
  const text = JSON.stringify(shown);
  return { isError: true, content: [{ type: "text", text }], structuredContent: JSON.parse(text) };
}

/**
 * @param input the arguments, as they came
 * @returns the reply, or what refuses the call as a result with `isError`
 * @throws ProtocolError when there is no such tool
 */
export async function callTool(exchange: Exchange, name: string, input: unknown): Promise<CallToolResult> {
  const tool = byName.get(name);
  if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "There is no tool of this name.");
  const { telemetry } = exchange.services;
  if (telemetry === undefined) return carryOut(exchange, tool, input);
  const attributes = { "mcp.method.name": "tools/call", "gen_ai.tool.name": tool.name };
  return telemetry.span({ name: `tools/call ${tool.name}`, kind: "internal", attributes }, (span) =>
    carryOut(exchange, tool, input, (code) => span.refuse(code)),
  );
}

/** @param refused is told the code of what refuses the call */
async function carryOut(
  exchange: Exchange,
  tool: Tool,
  input: unknown,
  refused?: (code: string) => void,
): Promise<CallToolResult> {
  const call = callsOf(exchange);
  try {
    const me = meOf(exchange);
    const { value, text } = fitting(await tool.run(call, parse(tool.input, input ?? {}, "input"), me));
    return { content: [{ type: "text", text }], structuredContent: value };
  } catch (error) {
    const known = asPublicError(error);
    refused?.(known.code);
    return refusal(known);
  }
}
