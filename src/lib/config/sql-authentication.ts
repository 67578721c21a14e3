import { type Environment, onAzure } from "./platform.ts";
import type { SqlParts } from "./sql-keywords.ts";

/** Who we are to the database. */
export type SqlAuthentication =
  | { type: "sql-login"; username: string; password: string }
  /** `clientId` of a user-assigned identity; without it the system-assigned one. */
  | { type: "managed-identity"; clientId?: string | undefined }
  | { type: "service-principal"; tenantId: string; clientId: string; clientSecret: string }
  /** A browser asks the developer. */
  | { type: "interactive"; username?: string | undefined; tenantId?: string | undefined }
  /** Whatever this machine has: workload identity, managed identity, or a developer's `az login`. */
  | { type: "default"; clientId?: string | undefined; tenantId?: string | undefined };

interface Read {
  authentication?: SqlAuthentication;
  problems: string[];
}

const LOGIN_NEEDS_BOTH =
  "AZURE_SQL_USERNAME, AZURE_SQL_PASSWORD (User ID and Password): a SQL login needs both; leave both out for Entra ID";

/** The values of Authentication, both forms' names without spaces, and how each reads the rest. */
const KINDS: Readonly<Record<string, (parts: SqlParts, environment: Environment) => Read>> = {
  sqlpassword: sqlLogin,
  activedirectorymsi: managedIdentity,
  activedirectorymanagedidentity: managedIdentity,
  activedirectoryserviceprincipal: servicePrincipal,
  activedirectoryinteractive: interactive,
  activedirectorydefault: machineLogin,
  activedirectoryworkloadidentity: machineLogin,
};

/** From the Authentication of a connection string, or else from what is there. Problems hold no secret. */
export function readAuthentication(parts: SqlParts, environment: Environment): Read {
  if (parts.authentication !== undefined) {
    const kind = Object.hasOwn(KINDS, parts.authentication) ? KINDS[parts.authentication] : undefined;
    if (kind !== undefined) return kind(parts, environment);
    return problem(
      "AZURE_SQL_CONNECTION_STRING: Authentication: must be Sql Password or Active Directory Managed Identity (MSI), Service Principal, Default, Workload Identity or Interactive",
    );
  }
  if (parts.username !== undefined || parts.password !== undefined) return sqlLogin(parts);
  if (environment.AZURE_CLIENT_SECRET !== undefined) return servicePrincipal(parts, environment);
  // On the platform the identity is known, so nothing else is tried first.
  if (onAzure(environment)) return managedIdentity({ username: environment.AZURE_CLIENT_ID });
  return machineLogin(parts, environment);
}

function problem(text: string): Read {
  return { problems: [text] };
}

function sqlLogin({ username, password }: SqlParts): Read {
  if (username === undefined || password === undefined) return problem(LOGIN_NEEDS_BOTH);
  return { authentication: { type: "sql-login", username, password }, problems: [] };
}

function managedIdentity({ username, password }: SqlParts): Read {
  if (password !== undefined) return problem("AZURE_SQL_CONNECTION_STRING: Password: a managed identity has none");
  return { authentication: { type: "managed-identity", clientId: username }, problems: [] };
}

/** User ID is the application's client id, with `@tenant` behind it or AZURE_TENANT_ID; Password is its secret. */
function servicePrincipal({ username, password }: SqlParts, environment: Environment): Read {
  const [application, tenant] = username?.split("@") ?? [];
  const clientId = application || environment.AZURE_CLIENT_ID;
  const tenantId = tenant || environment.AZURE_TENANT_ID;
  const clientSecret = password ?? environment.AZURE_CLIENT_SECRET;
  const problems: string[] = [];
  if (clientId === undefined) problems.push("AZURE_CLIENT_ID: a service principal needs it");
  if (clientSecret === undefined) problems.push("AZURE_CLIENT_SECRET: a service principal needs it");
  if (tenantId === undefined) problems.push("AZURE_TENANT_ID: a service principal needs it");
  if (clientId === undefined || clientSecret === undefined || tenantId === undefined) return { problems };
  return { authentication: { type: "service-principal", tenantId, clientId, clientSecret }, problems };
}

function interactive({ username, password }: SqlParts, environment: Environment): Read {
  if (password !== undefined) return problem("AZURE_SQL_CONNECTION_STRING: Password: is typed into the browser");
  if (onAzure(environment)) {
    return problem("AZURE_SQL_CONNECTION_STRING: Authentication: nobody can answer an interactive login on Azure");
  }
  return { authentication: { type: "interactive", username, tenantId: environment.AZURE_TENANT_ID }, problems: [] };
}

function machineLogin({ username, password }: SqlParts, environment: Environment): Read {
  if (password !== undefined) return problem("AZURE_SQL_CONNECTION_STRING: Password: this Authentication takes none");
  const clientId = username ?? environment.AZURE_CLIENT_ID;
  return { authentication: { type: "default", clientId, tenantId: environment.AZURE_TENANT_ID }, problems: [] };
}
