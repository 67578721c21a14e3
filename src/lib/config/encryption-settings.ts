import { dirname, join } from "node:path";
import { readKeyVaultSettings, SECRET_NAME, type VaultSecret } from "./key-vault-settings.ts";
import { type Environment, onAzure } from "./platform.ts";

/** What is encrypted, and under which keys. */
export interface EncryptionSettings {
  /** Everything counts as sensitive, not only what is marked. */
  all: boolean;
  /** The secret whose versions are the keys. */
  vaultSecret?: VaultSecret | undefined;
  /** The file with the keys; beside a vault's, those that only decrypt any more. */
  keyFile?: string | undefined;
}

const DEFAULT_SECRET = "agent-communication-encryption-key";
const DEFAULT_KEY_FILE = "keys.jsonl";

/**
 * Reads AGENT_ENCRYPT, AGENT_KEY_FILE, AZURE_KEY_VAULT_URL and AGENT_ENCRYPTION_SECRET. The embedded database has a key file
 * beside it; a database on a server has none unless one is named.
 *
 * @param environment without empty variables
 * @param mockDatabase the file of mode `mock`; undefined in mode `sql`
 */
export function readEncryptionSettings(
  environment: Environment,
  mockDatabase: string | undefined,
): { settings: EncryptionSettings; problems: string[] } {
  const { vault, problems } = readKeyVaultSettings(environment);
  const encrypt = environment.AGENT_ENCRYPT ?? "marked";
  if (encrypt !== "marked" && encrypt !== "all") problems.push("AGENT_ENCRYPT: must be marked or all");
  const name = environment.AGENT_ENCRYPTION_SECRET ?? DEFAULT_SECRET;
  if (!SECRET_NAME.test(name)) {
    problems.push("AGENT_ENCRYPTION_SECRET: must be the name of a secret: 1–127 letters, digits and dashes");
  }
  if (environment.AGENT_KEY_FILE !== undefined && onAzure(environment)) {
    problems.push("AGENT_KEY_FILE: cannot be used on Azure, where disks do not last; use AZURE_KEY_VAULT_URL");
  }
  const beside = mockDatabase === undefined || vault !== undefined ? undefined : besideDatabase(mockDatabase);
  const settings = {
    all: encrypt === "all",
    vaultSecret: vault && { vault, name },
    keyFile: environment.AGENT_KEY_FILE ?? beside,
  };
  if (settings.all && settings.vaultSecret === undefined && settings.keyFile === undefined && problems.length === 0) {
    problems.push("AGENT_ENCRYPT: all needs AZURE_KEY_VAULT_URL or AGENT_KEY_FILE in mode sql");
  }
  return { settings, problems };
}

/** A database in memory has nothing beside it; its keys are kept where those of the default one are. */
function besideDatabase(mockDatabase: string): string {
  return join(mockDatabase === ":memory:" ? ".data" : dirname(mockDatabase), DEFAULT_KEY_FILE);
}
