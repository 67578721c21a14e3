import { type Environment, onAzure } from "./platform.ts";

/** The names of settings, and which others look like one of them by mistake. */

/** What the service reads, but for the OTEL_ variables, which belong to OpenTelemetry. A test compares it with the source. */
export const SERVICE_SETTINGS: readonly string[] = [
  "AGENT_AUDIT_MESSAGES",
  "AGENT_AUDIT_RETENTION_DAYS",
  "AGENT_AUTH_MODE",
  "AGENT_BAD_CREDENTIALS_PER_SOURCE",
  "AGENT_CHANNEL_POLICY",
  "AGENT_CLIENT_CA_FILE",
  "AGENT_CLIENT_CERTIFICATES",
  "AGENT_CLIENT_CRL_FILE",
  "AGENT_COMMUNICATION_MODE",
  "AGENT_DEAD_LETTER_RETENTION_DAYS",
  "AGENT_DEFAULT_TIMEOUT",
  "AGENT_ENCRYPT",
  "AGENT_ENCRYPTION_SECRET",
  "AGENT_ENTRA_AUDIENCE",
  "AGENT_ENTRA_AUTHORITY",
  "AGENT_ENTRA_TENANT",
  "AGENT_HEARTBEAT_INTERVAL",
  "AGENT_HEARTBEAT_TIMEOUT",
  "AGENT_HTTP_HOST",
  "AGENT_HTTP_PORT",
  "AGENT_INACTIVE_RETENTION_DAYS",
  "AGENT_KEY_FILE",
  "AGENT_MAINTENANCE_SCHEDULE",
  "AGENT_MAX_MAILBOX",
  "AGENT_MAX_RETRIES",
  "AGENT_MAX_TASK_DEPTH",
  "AGENT_MAX_TASKS_PER_ROOT",
  "AGENT_MESSAGE_RETENTION_DAYS",
  "AGENT_MOCK_DATABASE",
  "AGENT_PUBLIC_URL",
  "AGENT_RATE_LIMIT_PER_CREDENTIAL",
  "AGENT_RATE_LIMIT_PER_SOURCE",
  "AGENT_SWEEP_SCHEDULE",
  "AGENT_TASK_RETENTION_DAYS",
  "AGENT_TLS_CERTIFICATE_FILE",
  "AGENT_TLS_KEY_FILE",
  "AGENT_TRUSTED_PROXIES",
  "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
  "APPLICATIONINSIGHTS_CONNECTION_STRING",
  "AZURE_CLIENT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_KEY_VAULT_URL",
  "AZURE_SQL_CONNECTION_STRING",
  "AZURE_SQL_CONNECT_TIMEOUT",
  "AZURE_SQL_DATABASE",
  "AZURE_SQL_PASSWORD",
  "AZURE_SQL_PASSWORD_SECRET",
  "AZURE_SQL_POOL_SIZE",
  "AZURE_SQL_PORT",
  "AZURE_SQL_REQUEST_TIMEOUT",
  "AZURE_SQL_SERVER",
  "AZURE_SQL_TEST_SERVER",
  "AZURE_SQL_USERNAME",
  "AZURE_TENANT_ID",
];

/** What the command line, the demo and the tests read, in the same environment as often as not. */
export const OTHER_NAMES: readonly string[] = [
  "AGENT_COMMUNICATION_AGENT_ID",
  "AGENT_COMMUNICATION_CA_FILE",
  "AGENT_COMMUNICATION_CERTIFICATE_FILE",
  "AGENT_COMMUNICATION_KEY_FILE",
  "AGENT_COMMUNICATION_TOKEN",
  "AGENT_COMMUNICATION_TOKEN_FILE",
  "AGENT_COMMUNICATION_URL",
  "AGENT_DEMO_RUN",
  "AGENT_TEST_URL",
];

const known: ReadonlySet<string> = new Set([...SERVICE_SETTINGS, ...OTHER_NAMES]);

/** A name may differ from a setting in so many letters and still be meant for it. */
const MISSPELT_MAX_LETTERS = 2;

/** Underscores and case are what people get wrong most. */
function plain(name: string): string {
  return name.replaceAll("_", "").toUpperCase();
}

const settings = [...known].map((name) => ({ name, plain: plain(name) }));

/** Letters to insert, drop or replace between two texts (Levenshtein), but no more than `limit` + 1. */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) > limit) return limit + 1;
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** The known name that `name` is nearly. */
function nearest(name: string): string | undefined {
  const given = plain(name);
  let best: { name: string; letters: number } | undefined;
  for (const setting of settings) {
    const letters = distance(given, setting.plain, MISSPELT_MAX_LETTERS);
    if (letters <= MISSPELT_MAX_LETTERS && letters < (best?.letters ?? Number.POSITIVE_INFINITY)) {
      best = { name: setting.name, letters };
    }
  }
  return best?.name;
}

/**
 * Whether a name that is nearly `setting` can only be meant for it. AGENT_ is our own prefix. The others are Azure's, and a machine may
 * have some for other programs: there only what is missing is looked for, and what mode mock reads.
 */
function isMeant(setting: string, environment: Environment): boolean {
  if (setting.startsWith("AGENT_")) return true;
  if (environment[setting] !== undefined) return false;
  const always = setting === "AZURE_KEY_VAULT_URL" || setting.startsWith("APPLICATIONINSIGHTS_");
  return always || environment.AGENT_COMMUNICATION_MODE === "sql" || onAzure(environment);
}

/**
 * The names that look like a setting and are none, so that nothing which was meant is left out in silence.
 *
 * @param environment without empty variables
 * @returns problems: names that are a known one but for underscores, case or at most two letters, a line each · unknown: other names
 *   with our prefix, which may belong to other software (build agents have AGENT_NAME, AGENT_OS and more)
 */
export function checkSettingNames(environment: Environment): { problems: string[]; unknown: string[] } {
  const problems: string[] = [];
  const unknown: string[] = [];
  for (const name of Object.keys(environment)) {
    if (known.has(name)) continue;
    const setting = nearest(name);
    if (setting !== undefined && isMeant(setting, environment)) {
      problems.push(`${name}: is not a setting; did you mean ${setting}?`);
    } else if (name.startsWith("AGENT_")) unknown.push(name);
  }
  return { problems, unknown: unknown.sort() };
}
