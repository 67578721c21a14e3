import { type Environment, onAzure } from "./platform.ts";

/** Who we are to Azure: to the database without a SQL login, and to a key vault. */
export type AzureLogin =
  /** `clientId` of a user-assigned identity; without it the system-assigned one. */
  | { type: "managed-identity"; clientId?: string | undefined }
  | { type: "service-principal"; tenantId: string; clientId: string; clientSecret: string }
  /** A browser asks the developer. */
  | { type: "interactive"; username?: string | undefined; tenantId?: string | undefined }
  /** Whatever this machine has: workload identity, managed identity, or a developer's `az login`. */
  | { type: "default"; clientId?: string | undefined; tenantId?: string | undefined };

export interface ReadLogin<Login = AzureLogin> {
  login?: Login;
  problems: string[];
}

/** From the AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID that there are. Problems hold no secret. */
export function readAzureLogin(environment: Environment): ReadLogin {
  const { AZURE_CLIENT_ID: clientId, AZURE_CLIENT_SECRET: clientSecret, AZURE_TENANT_ID: tenantId } = environment;
  if (clientSecret !== undefined) return servicePrincipal({ clientId, clientSecret, tenantId });
  // On the platform the identity is known, so nothing else is tried first.
  if (onAzure(environment)) return { login: { type: "managed-identity", clientId }, problems: [] };
  return { login: { type: "default", clientId, tenantId }, problems: [] };
}

/** An application that proves itself by a secret; each part that is missing is a problem. */
export function servicePrincipal(parts: {
  clientId: string | undefined;
  clientSecret: string | undefined;
  tenantId: string | undefined;
}): ReadLogin {
  const { clientId, clientSecret, tenantId } = parts;
  const problems: string[] = [];
  if (clientId === undefined) problems.push("AZURE_CLIENT_ID: is required for a service principal");
  if (clientSecret === undefined) problems.push("AZURE_CLIENT_SECRET: is required for a service principal");
  if (tenantId === undefined) problems.push("AZURE_TENANT_ID: is required for a service principal");
  if (clientId === undefined || clientSecret === undefined || tenantId === undefined) return { problems };
  return { login: { type: "service-principal", tenantId, clientId, clientSecret }, problems };
}
