import type { Command } from "commander";
import { AgentRegistry } from "../lib/domain/agents/agent-registry.ts";
import { CredentialRegistry } from "../lib/domain/credentials/credential-registry.ts";
import type { Agent, RegisterAgent } from "../lib/model/agent.ts";
import { type Credential, issueCredentialSchema } from "../lib/model/credential.ts";
import { endOf } from "../lib/model/credential-end.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import { parse } from "../lib/model/parse.ts";
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
    .description("create the first admin and its token directly in the database that the settings name")
    .option("--agent-id <id>", "the admin's", "admin")
    .option("--expires-in-days <n>", "days until the token expires (default: never)", toNumber)
    .option("--label <text>", "label of the token in lists", "bootstrap")
    .option("--again", "create another token although an admin has a valid one, for example because it was lost")
    .action((options: BootstrapOptions, command: Command) =>
      runner.run(command, async ({ terminal, print }) => {
        const made = await bootstrap(terminal, options);
        print(made, ({ agentId, credential, secret, earlier }) =>
          [showSecret(`The admin ${agentId} has a token`, credential, secret), ...earlierText(earlier)].join("\n\n"),
        );
      }),
    );
}

/** The admin credentials that are still valid, with the command that revokes each; empty when there are none. */
function earlierText(earlier: readonly AdminCredential[]): string[] {
  if (earlier.length === 0) return [];
  const commands = earlier.map(
    (one) =>
      `npm run cli -- credentials revoke ${one.credentialId}   # ${one.kind} of ${one.agentId}, made ${one.createdAt}, ${usedText(one)}`,
  );
  return [
    `Credentials of admins that were made before are still valid. A token that was lost may be in other hands: with the new token, revoke it.

${commands.join("\n")}`,
  ];
}

function usedText({ lastUsedAt }: Pick<Credential, "lastUsedAt">): string {
  return lastUsedAt === undefined ? "never used" : `last used ${lastUsedAt}`;
}

interface Bootstrapped {
  agentId: string;
  credential: Credential;
  secret: string;
  /** Other valid credentials of admins, the newest first of each. */
  earlier: AdminCredential[];
}

async function bootstrap(terminal: Terminal, options: BootstrapOptions): Promise<Bootstrapped> {
  const config = readStoreSettings(terminal.environment);
  // Loaded by this command only: both engines are behind it.
  const { openStore } = await import("../lib/store/open-store.ts");
  const store = await openStore(config);
  const registry = new AgentRegistry({ store, heartbeatIntervalSeconds: config.heartbeatIntervalSeconds });
  const credentials = new CredentialRegistry({ store });
  try {
    const { agentId, label, expiresInDays, again = false } = options;
    const expiresInSeconds = daysToSeconds(expiresInDays);
    // A bad option is refused before there is an admin.
    parse(issueCredentialSchema, { kind: "token", agentId, label, expiresInSeconds }, "command line");
    const admin = await adminToBe(registry, agentId);
    const { credential, secret = "" } = await credentials
      .issueToFirstAdmin(admin, { label, expiresInSeconds }, again)
      .catch((error: unknown) => refuseSecondAdmin(error, registry, credentials, store.now()));
    const live = await liveOfAdmins(registry, credentials, store.now());
    const earlier = live.filter(({ credentialId }) => credentialId !== credential.credentialId);
    return { agentId, credential, secret, earlier };
  } catch (error) {
    throw databaseError(
      error,
      config.sql === undefined ? config.mockDatabase : `${config.sql.database} on ${config.sql.server}`,
    );
  } finally {
    await store.close();
  }
}

/** An admin that is there keeps what it has, and comes back if it was deregistered. @throws Error when another role has the id */
async function adminToBe(registry: AgentRegistry, agentId: string): Promise<Omit<RegisterAgent, "role">> {
  const known = await find(registry, agentId);
  if (known === undefined) return { agentId, capabilities: [], maxConcurrentTasks: 0 };
  const { role, capabilities, maxConcurrentTasks, metadata } = known;
  if (role !== "admin") throw new Error(`${agentId} is a ${role}: choose another --agent-id`);
  return { agentId, capabilities, maxConcurrentTasks, metadata };
}

async function find(registry: AgentRegistry, agentId: string): Promise<Agent | undefined> {
  try {
    return await registry.get(agentId);
  } catch (error) {
    if (isAgentCommunicationError(error, "AGENT_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Names the admin that was there first. @throws Error always: from then on admins make admins */
async function refuseSecondAdmin(
  error: unknown,
  registry: AgentRegistry,
  credentials: CredentialRegistry,
  now: number,
): Promise<never> {
  if (!isAgentCommunicationError(error, "FORBIDDEN")) throw error;
  const [first] = await liveOfAdmins(registry, credentials, now);
  if (first === undefined) throw error;
  throw new Error(`the admin ${first.agentId} has a valid credential already; use --again to create another token`);
}

type AdminCredential = Extract<Credential, { agentId: string }>;

/** Tokens and certificates of admins that are valid now. */
async function liveOfAdmins(
  registry: AgentRegistry,
  credentials: CredentialRegistry,
  now: number,
): Promise<AdminCredential[]> {
  const live: AdminCredential[] = [];
  for await (const { agentId } of everyAdmin(registry)) {
    let cursor: string | undefined;
    do {
      const page = await credentials.list({ agentId, limit: 200, cursor });
      for (const credential of page.credentials) {
        if ("agentId" in credential && endOf(credential) > now) live.push(credential);
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  return live;
}

async function* everyAdmin(registry: AgentRegistry) {
  let cursor: string | undefined;
  do {
    const page = await registry.list({ role: "admin", limit: 200, cursor });
    yield* page.agents;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
