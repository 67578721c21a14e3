import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentClient } from "../../src/client/agent-client.ts";
import type { AgentRole } from "../../src/lib/model/agent.ts";
import { startLocalHost } from "./local-host.ts";
import { runFile } from "./run-process.ts";

/** The local host in mode `required` as a process of its own, with the first admin as an operator makes it. */
export interface RequiredProcess {
  origin: string;
  baseUrl: string;
  database: string;
  adminToken: string;
  admin: AgentClient;
  /** Of the process. */
  pid: number | undefined;
  /** Everything it printed. */
  output(): string;
  /** A client with this token. Nothing is repeated, so that every answer is seen. */
  client(token: string): AgentClient;
  /** A registered agent, with a token that the admin has issued. */
  agent(agentId: string, role?: AgentRole): Promise<{ agentId: string; token: string; client: AgentClient }>;
  stop(): Promise<void>;
}

/** @param fetch of the clients, for a server of one's own authority */
export async function startRequiredProcess(
  settings: Readonly<Record<string, string>> = {},
  fetch?: ConstructorParameters<typeof AgentClient>[0]["fetch"],
): Promise<RequiredProcess> {
  const folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
  const database = join(folder, "agents.db");
  const made = await runFile("src/cli/main.ts", ["bootstrap", "--json"], {
    environment: { AGENT_MOCK_DATABASE: database },
  });
  if (made.code !== 0) throw new Error(`no admin was made: ${made.error}`);
  const adminToken = String(JSON.parse(made.out).secret);
  const host = await startLocalHost({ AGENT_AUTH_MODE: "required", ...settings }, { database });
  const client = (token: string) =>
    new AgentClient({ baseUrl: host.baseUrl, token, fetch, retryBudgetMilliseconds: 0 });
  const admin = client(adminToken);
  return {
    origin: host.origin,
    baseUrl: host.baseUrl,
    database,
    adminToken,
    admin,
    pid: host.process.pid,
    output: host.output,
    client,
    async agent(agentId, role = "worker") {
      await admin.registerAgent({ agentId, role, maxConcurrentTasks: 10 });
      const { secret = "" } = await admin.issueCredential({ kind: "token", agentId });
      return { agentId, token: secret, client: client(secret) };
    },
    async stop() {
      await host.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
