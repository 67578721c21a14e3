import type { Command } from "commander";
import type { Agent } from "../lib/agents/agent.ts";
import { AgentRegistry } from "../lib/agents/agent-registry.ts";
import { isAgentCommunicationError } from "../lib/errors.ts";
import { parse } from "../lib/parse.ts";
import { type Credential, issueCredentialSchema } from "../lib/security/credential.ts";
import { CredentialRegistry } from "../lib/security/credential-registry.ts";
import type { Runner, Terminal } from "./context.ts";
import { daysToSeconds, showSecret } from "./credential-commands.ts";
import { toNumber } from "./options.ts";
import { databaseError, readStoreSettings } from "./own-database.ts";

/**
 * bootstrap: the first admin and its token. It opens the database itself, like copy: a service that asks for credentials would
 * let nobody in who could make the first one. Whoever can write to the database could do as much by hand.
 */

interface BootstrapOptions {
  agentId: string;
  expiresInDays?: number;
  label?: string;
  again?: boolean;
}

export function addBootstrapCommand(program: Command, runner: Runner): void {
  program
    .command("bootstrap")
    .description("make the first admin and its token, in the database that the settings name, served or not")
    .option("--agent-id <id>", "the admin's", "admin")
    .option("--expires-in-days <n>", "of the token (default: never)", toNumber)
    .option("--label <text>", "of the token, for lists", "bootstrap")
    .option("--again", "also when there is an admin with a valid token: its token was lost")
    .action((options: BootstrapOptions, command: Command) =>
      runner.run(command, async ({ terminal, print }) => {
        const made = await bootstrap(terminal, options);
        print(made, ({ agentId, credential, secret }) =>
          showSecret(`The admin ${agentId} has a token`, credential, secret),
        );
      }),
    );
}

interface Bootstrapped {
  agentId: string;
  credential: Credential;
  secret: string;
}

async function bootstrap(terminal: Terminal, options: BootstrapOptions): Promise<Bootstrapped> {
  const config = readStoreSettings(terminal.environment);
  // Loaded by this command only: both engines are behind it.
  const { openStore } = await import("../lib/store/open-store.ts");
  const store = await openStore(config);
  const registry = new AgentRegistry({ store, heartbeatIntervalSeconds: config.heartbeatIntervalSeconds });
  const credentials = new CredentialRegistry({ store });
  try {
    const { agentId, label, expiresInDays } = options;
    const expiresInSeconds = daysToSeconds(expiresInDays);
    // A bad option is refused before there is an admin.
    const token = parse(issueCredentialSchema, { kind: "token", agentId, label, expiresInSeconds }, "command line");
    if (options.again !== true) await refuseSecondAdmin(registry, credentials, store.now());
    await makeAdmin(registry, agentId);
    const { credential, secret = "" } = await credentials.issue(token);
    return { agentId, credential, secret };
  } catch (error) {
    throw databaseError(
      error,
      config.sql === undefined ? config.mockDatabase : `${config.sql.database} on ${config.sql.server}`,
    );
  } finally {
    await store.close();
  }
}

/** An admin that is there stays what it is, and comes back if it was deregistered. @throws Error when another role has the id */
async function makeAdmin(registry: AgentRegistry, agentId: string): Promise<void> {
  const known = await find(registry, agentId);
  if (known === undefined) {
    await registry.register({ agentId, role: "admin", maxConcurrentTasks: 0 });
    return;
  }
  const { role, status, capabilities, maxConcurrentTasks, metadata } = known;
  if (role !== "admin") throw new Error(`${agentId} is a ${role}: choose another --agent-id`);
  if (status === "deregistered") {
    await registry.register({ agentId, role, capabilities, maxConcurrentTasks, metadata });
  }
}

async function find(registry: AgentRegistry, agentId: string): Promise<Agent | undefined> {
  try {
    return await registry.get(agentId);
  } catch (error) {
    if (isAgentCommunicationError(error, "AGENT_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** @throws Error naming an admin with a valid token: from then on admins make admins */
async function refuseSecondAdmin(registry: AgentRegistry, credentials: CredentialRegistry, now: number): Promise<void> {
  for await (const { agentId } of everyAdmin(registry)) {
    let cursor: string | undefined;
    do {
      const page = await credentials.list({ agentId, limit: 200, cursor });
      if (page.credentials.some((credential) => isLive(credential, now))) {
        throw new Error(
          `the admin ${agentId} has a valid credential already; with --again another token is made all the same`,
        );
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
}

async function* everyAdmin(registry: AgentRegistry) {
  let cursor: string | undefined;
  do {
    const page = await registry.list({ role: "admin", limit: 200, cursor });
    yield* page.agents;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

function isLive({ revokedAt, expiresAt }: Credential, now: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || Date.parse(expiresAt) > now);
}
