import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AgentClient } from "../src/client/index.ts";

/** How the demo runs where credentials are asked: an operator's first admin, and a token for each of its processes. */

const CLI = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

/** In which variable a process of the demo finds its token. The command line and the examples read the same one. */
const TOKEN_VARIABLE = "AGENT_COMMUNICATION_TOKEN";

const TOKEN_DAYS = 1;

/** What `npm run cli -- bootstrap` does, on the database that the environment names. @returns the admin's token */
export async function makeAdmin(environment: Record<string, string>): Promise<string> {
  // `--again`: the database of mode `sql` may have an admin already.
  const options = ["--agent-id", "demo-admin", "--expires-in-days", String(TOKEN_DAYS), "--again", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, "bootstrap", ...options], {
    env: { ...process.env, ...environment },
  });
  const made: { secret: string } = JSON.parse(stdout);
  return made.secret;
}

/**
 * Registers the agent, still without capabilities, so that nothing is handed to it before its process is there, and issues
 * a token for it.
 *
 * @returns the environment of its process
 */
export async function admit(
  admin: AgentClient,
  agentId: string,
  role: "worker" | "supervisor",
): Promise<Record<string, string>> {
  await admin.registerAgent({ agentId, role });
  const expiresInSeconds = TOKEN_DAYS * 86_400;
  const { secret = "" } = await admin.issueCredential({ kind: "token", agentId, label: "demo", expiresInSeconds });
  return { [TOKEN_VARIABLE]: secret };
}

/** The client of a process of the demo: with its token, if it was given one. */
export function connect(baseUrl: string): AgentClient {
  return new AgentClient({ baseUrl, token: process.env[TOKEN_VARIABLE] });
}
