import {
  type AzureLogin,
  servicePrincipal as applicationLogin,
  type ReadLogin,
  readAzureLogin,
} from "./azure-login.ts";
import { readKeyVaultSettings, SECRET_NAME, type VaultSecret } from "./key-vault-settings.ts";
import { type Environment, onAzure } from "./platform.ts";
import type { SqlParts } from "./sql-keywords.ts";

/** Who we are to the database. */
export type SqlAuthentication = { type: "sql-login"; username: string; password: string | VaultSecret } | AzureLogin;

type Read = ReadLogin<SqlAuthentication>;

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
  const secret = environment.AZURE_SQL_PASSWORD_SECRET;
  if (parts.username !== undefined || parts.password !== undefined || secret !== undefined) {
    return sqlLogin(parts, environment);
  }
  return readAzureLogin(environment);
}

function problem(text: string): Read {
  return { problems: [text] };
}

function sqlLogin({ username, password }: SqlParts, environment: Environment): Read {
  const secret = environment.AZURE_SQL_PASSWORD_SECRET;
  if (secret !== undefined) return passwordFromVault({ username, password }, secret, environment);
  if (username === undefined || password === undefined) return problem(LOGIN_NEEDS_BOTH);
  return { login: { type: "sql-login", username, password }, problems: [] };
}

function passwordFromVault({ username, password }: SqlParts, name: string, environment: Environment): Read {
  const { vault, problems } = readKeyVaultSettings(environment);
  if (vault === undefined && problems.length === 0)
    problems.push("AZURE_SQL_PASSWORD_SECRET: needs AZURE_KEY_VAULT_URL");
  if (!SECRET_NAME.test(name)) {
    problems.push("AZURE_SQL_PASSWORD_SECRET: must be the name of a secret: 1–127 letters, digits and dashes");
  }
  if (password !== undefined)
    problems.push("AZURE_SQL_PASSWORD: must not be set together with AZURE_SQL_PASSWORD_SECRET");
  if (username === undefined) problems.push("AZURE_SQL_USERNAME (User ID): is required with AZURE_SQL_PASSWORD_SECRET");
  if (vault === undefined || username === undefined || problems.length > 0) return { problems };
  return { login: { type: "sql-login", username, password: { vault, name } }, problems };
}

function managedIdentity({ username, password }: SqlParts): Read {
  if (password !== undefined)
    return problem("AZURE_SQL_CONNECTION_STRING: Password: must not be given: a managed identity has none");
  return { login: { type: "managed-identity", clientId: username }, problems: [] };
}

/** User ID is the application's client id, with `@tenant` behind it or AZURE_TENANT_ID; Password is its secret. */
function servicePrincipal({ username, password }: SqlParts, environment: Environment): Read {
  const [application, tenant] = username?.split("@") ?? [];
  const clientId = application || environment.AZURE_CLIENT_ID;
  const tenantId = tenant || environment.AZURE_TENANT_ID;
  const clientSecret = password ?? environment.AZURE_CLIENT_SECRET;
  return applicationLogin({ clientId, clientSecret, tenantId });
}

function interactive({ username, password }: SqlParts, environment: Environment): Read {
  if (password !== undefined)
    return problem(
      "AZURE_SQL_CONNECTION_STRING: Password: must not be given: an interactive login asks for it in the browser",
    );
  if (onAzure(environment)) {
    return problem("AZURE_SQL_CONNECTION_STRING: Authentication: an interactive login is not possible on Azure");
  }
  return { login: { type: "interactive", username, tenantId: environment.AZURE_TENANT_ID }, problems: [] };
}

function machineLogin({ username, password }: SqlParts, environment: Environment): Read {
  if (password !== undefined)
    return problem("AZURE_SQL_CONNECTION_STRING: Password: must not be given with this Authentication");
  const clientId = username ?? environment.AZURE_CLIENT_ID;
  return { login: { type: "default", clientId, tenantId: environment.AZURE_TENANT_ID }, problems: [] };
}
