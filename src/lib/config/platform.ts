/** Where a process runs, as far as settings depend on it. */

/** The variables that settings are read from. */
export type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

/** True for a name or address that only this machine can reach: localhost, 127.0.0.0/8, ::1. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.has(host.toLowerCase()) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * Variables that the Azure platform sets on every function app, and that a laptop does not have. (Not CONTAINER_NAME,
 * which others set as well.)
 */
const AZURE_VARIABLES = ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_HOSTNAME"] as const;

/** True when the platform's own variables say that this is Azure, not a laptop. */
export function onAzure(environment: Environment): boolean {
  // `func start` sets WEBSITE_HOSTNAME=localhost:port and says that it is a development machine.
  if (environment.AZURE_FUNCTIONS_ENVIRONMENT === "Development") return false;
  return AZURE_VARIABLES.some((name) => environment[name] !== undefined);
}
