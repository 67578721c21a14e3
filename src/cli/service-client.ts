import { AgentClient } from "../client/agent-client.ts";
import type { Fetch } from "../client/transport.ts";
import type { Terminal } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { readText } from "./options.ts";

/** The client of a command, as the environment has it. None of it is an option: command lines can be read by others. */

/** A person waits: repeats end soon. */
const RETRY_BUDGET_MILLISECONDS = 3_000;

async function readPem(terminal: Terminal, variable: string): Promise<string | undefined> {
  const path = terminal.environment[variable];
  return path === undefined || path === "" ? undefined : readText(terminal, path, variable);
}

/** Undefined where node's own fetch will do. */
async function fetchOf(terminal: Terminal): Promise<Fetch | undefined> {
  const certificate = await readPem(terminal, "AGENT_COMMUNICATION_CERTIFICATE_FILE");
  const key = await readPem(terminal, "AGENT_COMMUNICATION_KEY_FILE");
  const authority = await readPem(terminal, "AGENT_COMMUNICATION_CA_FILE");
  if ((certificate === undefined) !== (key === undefined)) {
    throw new UsageError("AGENT_COMMUNICATION_CERTIFICATE_FILE, AGENT_COMMUNICATION_KEY_FILE: give both or neither");
  }
  if (certificate === undefined && authority === undefined) return undefined;
  const { tlsFetch } = await import("../client/tls.ts");
  return tlsFetch({ certificate, key, authority });
}

/** @throws UsageError for files that cannot be read */
export async function serviceClient(baseUrl: string, terminal: Terminal): Promise<AgentClient> {
  const { AGENT_COMMUNICATION_TOKEN: token, AGENT_COMMUNICATION_AGENT_ID: agentId } = terminal.environment;
  return new AgentClient({
    baseUrl,
    token: token === "" ? undefined : token,
    agentId: agentId === "" ? undefined : agentId,
    fetch: await fetchOf(terminal),
    retryBudgetMilliseconds: RETRY_BUDGET_MILLISECONDS,
  });
}
