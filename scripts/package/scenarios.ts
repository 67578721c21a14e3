/** Settings that load different parts of the app: what is measured, and what is tested for loading nothing that it does not use. */

export interface Scenario {
  name: string;
  /** @param port of a server on this machine, which stands where the database and the identity endpoint would be */
  settings: (port: number) => Record<string, string>;
  /** npm packages that are loaded in this scenario and not in the first one. */
  loads: readonly string[];
}

export const DEVELOPMENT = { AZURE_FUNCTIONS_ENVIRONMENT: "Development", AGENT_AUTH_MODE: "none" };
const SQL = {
  ...DEVELOPMENT,
  AGENT_COMMUNICATION_MODE: "sql",
  AZURE_SQL_SERVER: "127.0.0.1",
  AZURE_SQL_DATABASE: "agents",
};

const managedIdentity = (port: number) => ({
  IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/token`,
  IDENTITY_HEADER: "none",
});

const ANY_KEY = "11111111-2222-4333-8444-555555555555";

/** The first is the least that an app can be. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "mock",
    settings: () => ({ ...DEVELOPMENT, AGENT_COMMUNICATION_MODE: "mock", AGENT_MOCK_DATABASE: ":memory:" }),
    loads: [],
  },
  {
    name: "sql, SQL login",
    settings: (port) => ({
      ...SQL,
      AZURE_SQL_PORT: String(port),
      AZURE_SQL_USERNAME: "agents",
      AZURE_SQL_PASSWORD: "not a password",
    }),
    loads: ["mssql", "tedious"],
  },
  {
    name: "sql, managed identity",
    settings: (port) => ({
      ...SQL,
      AZURE_SQL_PORT: String(port),
      ...managedIdentity(port),
    }),
    loads: ["mssql", "tedious", "@azure/identity"],
  },
  {
    name: "sql, managed identity, Application Insights",
    settings: (port) => ({
      ...SQL,
      AZURE_SQL_PORT: String(port),
      ...managedIdentity(port),
      APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=${ANY_KEY};IngestionEndpoint=https://127.0.0.1:${port}/`,
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: "Authorization=AAD",
    }),
    loads: [
      "mssql",
      "tedious",
      "@azure/identity",
      "@azure/monitor-opentelemetry-exporter",
      "@opentelemetry/api",
      "@opentelemetry/sdk-logs",
      "@opentelemetry/sdk-metrics",
      "@opentelemetry/sdk-trace",
    ],
  },
  {
    name: "sql, Key Vault",
    settings: (port) => ({
      ...SQL,
      AZURE_SQL_PORT: String(port),
      AZURE_SQL_USERNAME: "agents",
      AZURE_SQL_PASSWORD_SECRET: "sql-password",
      AZURE_KEY_VAULT_URL: `https://127.0.0.1:${port}`,
      ...managedIdentity(port),
    }),
    loads: ["mssql", "tedious", "@azure/identity", "@azure/keyvault-secrets"],
  },
];
