import type { AgentClient } from "../client/agent-client.ts";
import { readTokenFile } from "../client/token-file.ts";
import { TokenUpkeep } from "../client/token-upkeep.ts";
import type { Fetch } from "../client/transport.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import { CheckedClient } from "./checked-client.ts";
import type { Terminal } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { readText } from "./options.ts";

/** The client of a command, as the environment has it. None of it is an option: command lines can be read by others. */

/** A person waits: repeats end soon. A try takes a third of it at most, and must outlast the first answer of a cold host. */
const RETRY_BUDGET_MILLISECONDS = 15_000;
/** Where nothing listens, a service that is just being started is waited for, and no longer. */
const REFUSED_BUDGET_MILLISECONDS = 3_000;
/** A limit is a matter of seconds (30 wrong credentials a minute: 2 s each), and the person is told how many. */
const THROTTLED_BUDGET_MILLISECONDS = 60_000;

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

function waitLine(status: number, milliseconds: number): string {
  const why = status === 429 ? "The service is limiting requests" : "The service is not available now";
  return `${why}; trying again in ${Math.max(1, Math.round(milliseconds / 1_000))} s.\n`;
}

/**
 * A running agent waits for a file that cannot be read now, such as one whose volume is not there yet. A person is told at once.
 *
 * @throws UsageError
 */
async function checkKeptToken(path: string | undefined): Promise<void> {
  if (path === undefined || path === "") return;
  try {
    await readTokenFile(path);
  } catch (error) {
    throw new UsageError(`AGENT_COMMUNICATION_TOKEN_FILE: ${path}: ${reasonOf(error)}`);
  }
}

/** @throws UsageError for files that cannot be read */
export async function serviceClient(baseUrl: string, terminal: Terminal): Promise<AgentClient> {
  const {
    AGENT_COMMUNICATION_TOKEN: token,
    AGENT_COMMUNICATION_TOKEN_FILE: tokenFile,
    AGENT_COMMUNICATION_AGENT_ID: agentId,
  } = terminal.environment;
  await checkKeptToken(tokenFile);
  return new CheckedClient({
    baseUrl,
    token: token === "" ? undefined : token,
    tokenFile: tokenFile === "" ? undefined : tokenFile,
    agentId: agentId === "" ? undefined : agentId,
    fetch: await fetchOf(terminal),
    retryBudgetMilliseconds: RETRY_BUDGET_MILLISECONDS,
    refusedBudgetMilliseconds: REFUSED_BUDGET_MILLISECONDS,
    throttledBudgetMilliseconds: THROTTLED_BUDGET_MILLISECONDS,
    onWait: ({ status, milliseconds }) => terminal.writeError(waitLine(status, milliseconds)),
  });
}

/**
 * Renews the token at two thirds of its life, where it is kept in a file: without one the new token would be lost with this process,
 * and the first use of it would have ended the old one. What fails is tried again by the next command.
 */
export async function renewKeptToken(client: AgentClient, terminal: Terminal): Promise<void> {
  if (client.ownToken.file === undefined) return;
  const warn = (error: unknown) => terminal.writeError(`warning: the token was not renewed: ${reasonOf(error)}\n`);
  try {
    await new TokenUpkeep(client, warn).renewIfDue();
  } catch (error) {
    // A service that asks for no credential has no token to renew, and an older one no route for it.
    if (!WITHOUT_RENEWAL.some((code) => isAgentCommunicationError(error, code))) warn(error);
  }
}

const WITHOUT_RENEWAL = ["FORBIDDEN", "NOT_FOUND"] as const;

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
