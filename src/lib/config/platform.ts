/** Where a process runs, as far as settings depend on it. */

/** The variables that settings are read from. */
export type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK_HOSTS = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

/** True for a name or address that only this machine can reach: localhost, 127.0.0.0/8, ::1. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.has(host.toLowerCase()) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * Variables that the Azure platform sets on every function app, and that a laptop does not have: `func start` sets neither of
 * them. (CONTAINER_NAME is not among them: others set it as well.)
 */
const AZURE_VARIABLES = ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME"] as const;

/** `name:port` or `[::1]:port`, as `func start` writes WEBSITE_HOSTNAME. */
const PORT = /:\d{1,5}$/;

/**
 * True when the platform's own variables say that this is Azure, not a laptop. They decide first and alone: anybody who may
 * change the settings of an app can add AZURE_FUNCTIONS_ENVIRONMENT=Development to them, and it must not switch anything off.
 */
export function onAzure(environment: Environment): boolean {
  if (AZURE_VARIABLES.some((name) => environment[name] !== undefined)) return true;
  // `func start` sets WEBSITE_HOSTNAME=localhost:port; on Azure it is a public name.
  const hostname = environment.WEBSITE_HOSTNAME;
  return hostname !== undefined && !isLoopback(hostname.replace(PORT, ""));
}
