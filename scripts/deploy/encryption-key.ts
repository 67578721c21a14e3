import { randomBytes } from "node:crypto";

/** The first encryption key of a vault. Later versions are made by rotating; what an old one encrypted still needs it. */

const API_VERSION = "7.4";
const SCOPE = "https://vault.azure.net/.default";
/** AES-256. */
const KEY_BYTES = 32;
const TIMEOUT_MILLISECONDS = 20_000;

/** The token of whoever runs this: the job's identity, or a developer's `az login`. */
async function vaultToken(): Promise<string> {
  const { DefaultAzureCredential } = await import("@azure/identity");
  const managedIdentityClientId = process.env.AZURE_CLIENT_ID;
  const credential = new DefaultAzureCredential(managedIdentityClientId ? { managedIdentityClientId } : {});
  const { token } = await credential.getToken(SCOPE);
  return token;
}

/**
 * Makes the secret with a new key, unless it is there already, in whatever version.
 *
 * @param vault address of the vault
 * @param name of the secret
 * @param tokenOf how the vault learns who asks
 * @throws Error with the status, when the vault neither has it nor takes it; never with the key
 */
export async function ensureEncryptionKey(
  vault: string,
  name: string,
  tokenOf: () => Promise<string> = vaultToken,
): Promise<"made" | "there already"> {
  const address = new URL(`secrets/${encodeURIComponent(name)}?api-version=${API_VERSION}`, vault);
  const headers = { authorization: `Bearer ${await tokenOf()}`, "content-type": "application/json" };
  const signal = () => AbortSignal.timeout(TIMEOUT_MILLISECONDS);
  const found = await fetch(address, { headers, signal: signal() });
  if (found.ok) return "there already";
  if (found.status !== 404) throw new Error(`the key vault answers ${found.status} to reading ${name}`);
  const value = randomBytes(KEY_BYTES).toString("base64");
  const body = JSON.stringify({ value, contentType: "AES-256 key, base64" });
  const made = await fetch(address, { method: "PUT", headers, body, signal: signal() });
  if (!made.ok) throw new Error(`the key vault answers ${made.status} to making ${name}`);
  return "made";
}
