import type { AzureLogin } from "./azure-login.ts";
import { readAzureLogin } from "./azure-login.ts";
import { type Environment, isLoopback, onAzure } from "./platform.ts";

/** Where secrets are kept outside of settings: AZURE_KEY_VAULT_URL, with the login that Azure SQL uses, too. */

export interface KeyVaultSettings {
  /** `https://<name>.vault.azure.net` */
  url: string;
  login: AzureLogin;
  /** A server of a test on this machine, whose challenges cannot name a domain of Azure. Never on Azure. */
  ofTest: boolean;
}

/** A secret in a vault. */
export interface VaultSecret {
  vault: KeyVaultSettings;
  name: string;
}

/** https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers */
export const SECRET_NAME = /^[0-9A-Za-z-]{1,127}$/;

/** @returns neither settings nor problems when no vault is named */
export function readKeyVaultSettings(environment: Environment): { vault?: KeyVaultSettings; problems: string[] } {
  const given = environment.AZURE_KEY_VAULT_URL;
  if (given === undefined) return { problems: [] };
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || (url.pathname + url.search + url.hash).length > 1) {
    return { problems: ["AZURE_KEY_VAULT_URL: must be the vault's address, https://<name>.vault.azure.net"] };
  }
  const ofTest = isLoopback(url.hostname);
  if (ofTest && onAzure(environment))
    return { problems: ["AZURE_KEY_VAULT_URL: must not be a loopback address on Azure"] };
  const { login, problems } = readAzureLogin(environment);
  return login === undefined ? { problems } : { vault: { url: url.origin, login, ofTest }, problems };
}
