import { az } from "./azure-cli.ts";
import type { Deployment } from "./deployment.ts";

/**
 * A hole in the firewalls of database and vault for the address that deploys, only where they have a public address (dev), and
 * only while something is done: whatever happens in between, it is closed again.
 */

const RULE = "temporary-deployment";

const serverName = ({ AZURE_SQL_SERVER }: Deployment) => AZURE_SQL_SERVER.split(".")[0] ?? "";
const vaultName = ({ AZURE_KEY_VAULT_URL }: Deployment) => new URL(AZURE_KEY_VAULT_URL).hostname.split(".")[0] ?? "";

function open(deployment: Deployment, address: string): void {
  const group = ["--resource-group", deployment.AZURE_RESOURCE_GROUP];
  const range = ["--start-ip-address", address, "--end-ip-address", address];
  az(
    "sql",
    "server",
    "firewall-rule",
    "create",
    ...group,
    "--server",
    serverName(deployment),
    "--name",
    RULE,
    ...range,
  );
  az("keyvault", "network-rule", "add", ...group, "--name", vaultName(deployment), "--ip-address", address);
}

/** Closes both, the second also when the first fails. @throws Error when one of them stays open */
function close(deployment: Deployment, address: string): void {
  const group = ["--resource-group", deployment.AZURE_RESOURCE_GROUP];
  const failures: string[] = [];
  const attempt = (...args: string[]) => {
    try {
      az(...args);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  };
  attempt("sql", "server", "firewall-rule", "delete", ...group, "--server", serverName(deployment), "--name", RULE);
  attempt("keyvault", "network-rule", "remove", ...group, "--name", vaultName(deployment), "--ip-address", address);
  if (failures.length > 0) throw new Error(`the firewall may still be open to ${address}: ${failures.join("; ")}`);
}

/** Does something while `address` is let in. Also Ctrl-C closes. @throws what it throws, and Error when a hole stays open */
export async function withAccess<T>(deployment: Deployment, address: string, doing: () => Promise<T>): Promise<T> {
  const stop = () => {
    try {
      close(deployment, address);
    } finally {
      process.exit(1);
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, stop);
  try {
    open(deployment, address);
    return await doing();
  } finally {
    for (const signal of signals) process.off(signal, stop);
    close(deployment, address);
  }
}

/** For `azd down` and whoever is not sure: closes what an earlier run may have left. What is closed already stays so. */
export function closeAll(deployment: Deployment): void {
  const group = ["--resource-group", deployment.AZURE_RESOURCE_GROUP];
  const rules = az(
    "sql",
    "server",
    "firewall-rule",
    "list",
    ...group,
    "--server",
    serverName(deployment),
    "--query",
    "[].name",
    "--output",
    "tsv",
  );
  if (rules.split(/\s+/).includes(RULE)) {
    az("sql", "server", "firewall-rule", "delete", ...group, "--server", serverName(deployment), "--name", RULE);
  }
  const addresses = az(
    "keyvault",
    "network-rule",
    "list",
    ...group,
    "--name",
    vaultName(deployment),
    "--query",
    "ipRules[].value",
    "--output",
    "tsv",
  );
  for (const address of addresses.split(/\s+/).filter((each) => each !== "")) {
    az("keyvault", "network-rule", "remove", ...group, "--name", vaultName(deployment), "--ip-address", address);
  }
}
