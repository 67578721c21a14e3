import { expect } from "@jest/globals";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** A session of an agent by MCP, with the official client. */

/** How the client speaks: by the handshake of the earlier revisions, or by 2026-07-28. */
export const ERAS = ["2025-11-25", "2026-07-28"] as const;
export type Era = (typeof ERAS)[number];

export interface Session {
  client: Client;
  /** Calls a tool, which must not be refused. @returns its structured reply, the same as its text */
  // biome-ignore lint/suspicious/noExplicitAny: each tool replies in a shape of its own, and each test checks the members that it reads
  call(name: string, input?: Record<string, unknown>): Promise<any>;
  /** Calls a tool that must be refused. @returns the code and the detail of the refusal */
  refused(name: string, input?: Record<string, unknown>): Promise<{ code: string; detail: string }>;
  close(): Promise<void>;
}

/**
 * @param origin of the host
 * @param headers that say who it is
 */
export async function connectMcp(origin: string, headers: Record<string, string>, era: Era): Promise<Session> {
  const mode = era === "2026-07-28" ? { pin: era } : "legacy";
  const client = new Client({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", origin), { requestInit: { headers } }));
  const ask = async (name: string, input: Record<string, unknown>) => {
    const { isError = false, content, structuredContent } = await client.callTool({ name, arguments: input });
    const [only] = content;
    expect(only?.type === "text" && JSON.parse(only.text)).toEqual(structuredContent);
    return { isError, reply: structuredContent };
  };
  return {
    client,
    async call(name, input = {}) {
      const { isError, reply } = await ask(name, input);
      if (isError) throw new Error(`${name} was refused: ${JSON.stringify(reply)}`);
      return reply;
    },
    async refused(name, input = {}) {
      const { isError, reply } = await ask(name, input);
      expect([name, isError]).toEqual([name, true]);
      const { code, detail } = Object(reply);
      return { code, detail };
    },
    close: () => client.close(),
  };
}
