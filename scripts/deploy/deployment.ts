import { parseArgs } from "node:util";
import { z } from "zod";
import { az } from "./azure-cli.ts";

/** What the template has made: its outputs, from azd's environment or from the deployment itself. */

const yesOrNo = z.stringbool({ truthy: ["true", "True"], falsy: ["false", "False"] });

const deploymentSchema = z.object({
  AZURE_RESOURCE_GROUP: z.string().min(1),
  API_URL: z.url(),
  FUNCTION_APP_NAME: z.string().min(1),
  AZURE_SQL_SERVER: z.string().min(1),
  AZURE_SQL_DATABASE: z.string().min(1),
  AZURE_KEY_VAULT_URL: z.url(),
  AGENT_ENCRYPTION_SECRET: z.string().default(""),
  ADMIN_PRINCIPAL_ID: z.string().default(""),
  APP_IDENTITY_NAME: z.string().min(1),
  APP_IDENTITY_CLIENT_ID: z.guid(),
  SQL_ADMINISTRATOR_GROUP_ID: z.guid(),
  MIGRATOR_PRINCIPAL_ID: z.guid(),
  PRIVATE_NETWORKING: yesOrNo,
  CONTAINER_REGISTRY_NAME: z.string().default(""),
  MIGRATION_JOB_NAME: z.string().default(""),
});

export type Deployment = z.output<typeof deploymentSchema>;

const outputsSchema = z.record(z.string(), z.object({ value: z.unknown() }));

/** Name of the deployment of an environment, as docs/deployment.md and the workflow give it. */
export function deploymentName(environment: string): string {
  return `agent-communication-${environment}`;
}

/** The outputs of a deployment, by name in capitals: ARM gives them back in a case of its own. */
export function outputsOf(environment: string): Record<string, string> {
  const text = az(
    "deployment",
    "sub",
    "show",
    "--name",
    deploymentName(environment),
    "--query",
    "properties.outputs",
    "--output",
    "json",
  );
  const outputs = outputsSchema.parse(JSON.parse(text));
  return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name.toUpperCase(), String(value)]));
}

/**
 * The deployment that a script is about: of `--environment <name>`, or else the one that azd hands over as variables.
 *
 * @throws Error naming what is missing
 */
export function readDeployment(args: readonly string[] = process.argv.slice(2)): Deployment {
  const { values } = parseArgs({
    args: [...args],
    options: { environment: { type: "string" } },
    allowPositionals: true,
    strict: false,
  });
  const { environment } = values;
  const outputs = typeof environment === "string" ? outputsOf(environment) : process.env;
  const parsed = deploymentSchema.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new Error(`which deployment? --environment <name>, or azd's variables: ${z.prettifyError(parsed.error)}`);
}

/** What prepare-database.ts reads, for a process that it is started in. */
export function databaseVariables(deployment: Deployment): Record<string, string> {
  const { AZURE_SQL_SERVER, AZURE_SQL_DATABASE, AZURE_KEY_VAULT_URL, AGENT_ENCRYPTION_SECRET } = deployment;
  const { APP_IDENTITY_NAME, APP_IDENTITY_CLIENT_ID, ADMIN_PRINCIPAL_ID } = deployment;
  return {
    AZURE_SQL_SERVER,
    AZURE_SQL_DATABASE,
    AZURE_KEY_VAULT_URL,
    AGENT_ENCRYPTION_SECRET,
    APP_IDENTITY_NAME,
    APP_IDENTITY_CLIENT_ID,
    ADMIN_PRINCIPAL_ID,
  };
}
