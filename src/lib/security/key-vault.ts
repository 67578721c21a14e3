import type { SecretClient } from "@azure/keyvault-secrets";
import { z } from "zod";
import type { KeyVaultSettings } from "../config/key-vault-settings.ts";
import { credentialOf } from "./azure-credential.ts";

/** Secrets of an Azure Key Vault. What it says is kept by those who ask; nothing here is. */

/** A version of a secret, without its value. Times are milliseconds since the epoch. */
export interface SecretVersion {
  version: string;
  enabled: boolean;
  createdAt: number;
  /** Not to be used before then. */
  notBefore: number | undefined;
}

/** Of one question, and how often it is asked again: callers wait for the answer, and come back when there is none. */
const REQUEST_MILLISECONDS = 3_000;
const RETRIES = 1;
const RETRY_MILLISECONDS = 200;

const OPTIONS = { requestOptions: { timeout: REQUEST_MILLISECONDS } };

export class KeyVault {
  readonly #settings: KeyVaultSettings;
  #client: Promise<SecretClient> | undefined;

  constructor(settings: KeyVaultSettings) {
    this.#settings = settings;
  }

  /** Every version of a secret; none when there is no such secret. @throws what the vault, or the way to it, says */
  async versions(name: string): Promise<SecretVersion[]> {
    const client = await this.#connected();
    const found: SecretVersion[] = [];
    try {
      for await (const { version, enabled, createdOn, notBefore } of client.listPropertiesOfSecretVersions(
        name,
        OPTIONS,
      )) {
        if (version === undefined) continue;
        const createdAt = createdOn?.getTime() ?? 0;
        found.push({ version, enabled: enabled ?? false, createdAt, notBefore: notBefore?.getTime() });
      }
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
    return found;
  }

  /** The value of a version, of the newest unless it says which; undefined when there is none, or it is disabled. */
  async read(name: string, version?: string): Promise<string | undefined> {
    const client = await this.#connected();
    try {
      const { value } = await client.getSecret(name, version === undefined ? OPTIONS : { ...OPTIONS, version });
      return value;
    } catch (error) {
      if (statusOf(error) === 404 || isDisabled(error)) return undefined;
      throw error;
    }
  }

  /** The library is loaded only here, by those who have a vault. */
  #connected(): Promise<SecretClient> {
    this.#client ??= this.#open().catch((error) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async #open(): Promise<SecretClient> {
    const { url, login, ofTest } = this.#settings;
    const [{ SecretClient }, credential] = await Promise.all([import("@azure/keyvault-secrets"), credentialOf(login)]);
    return new SecretClient(url, credential, {
      // A vault names the domain that tokens are for, which must be its own: but nobody owns a loopback address.
      disableChallengeResourceVerification: ofTest,
      retryOptions: { maxRetries: RETRIES, retryDelayInMs: RETRY_MILLISECONDS, maxRetryDelayInMs: RETRY_MILLISECONDS },
    });
  }
}

function statusOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "statusCode" in error ? error.statusCode : undefined;
}

/** How the client tells of the 403 that a disabled version gives: nobody can have its value. */
const disabledSchema = z.object({
  statusCode: z.literal(403),
  details: z.object({ error: z.object({ innerError: z.object({ code: z.literal("SecretDisabled") }) }) }),
});

function isDisabled(error: unknown): boolean {
  return disabledSchema.safeParse(error).success;
}
