import { describe, expect, it } from "@jest/globals";
import { ConfigError, readConfig } from "../../../src/lib/config/config.ts";

/** What is encrypted and where the keys are: AGENT_ENCRYPT, AGENT_KEY_FILE, AZURE_KEY_VAULT_URL, and a password in a vault. */

const SQL = {
  AGENT_COMMUNICATION_MODE: "sql",
  AGENT_AUTH_MODE: "none",
  AZURE_SQL_SERVER: "db.example.net",
  AZURE_SQL_DATABASE: "agents",
};
const VAULT = "https://agents.vault.azure.net";
const AZURE = { WEBSITE_INSTANCE_ID: "1", AGENT_COMMUNICATION_MODE: "sql" };

const read = (variables: Record<string, string>) => readConfig(variables).encryption;

function problems(variables: Record<string, string>): string {
  try {
    readConfig(variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("encryption", () => {
  it("is of what is marked, with keys beside the embedded database", () => {
    const settings = { all: false, vaultSecret: undefined, keyFile: ".data/keys.jsonl" };
    expect(read({})).toEqual(settings);
    expect(read({ AGENT_MOCK_DATABASE: "/srv/x/a.db" })).toEqual({ ...settings, keyFile: "/srv/x/keys.jsonl" });
    expect(read({ AGENT_MOCK_DATABASE: ":memory:" })).toEqual(settings);
    expect(read({ AGENT_KEY_FILE: "my.keys", AGENT_ENCRYPT: "all" })).toEqual({
      ...settings,
      all: true,
      keyFile: "my.keys",
    });
  });

  it("has no keys in mode sql unless they are named", () => {
    expect(read(SQL)).toEqual({ all: false, vaultSecret: undefined, keyFile: undefined });
    expect(read({ ...SQL, AGENT_KEY_FILE: "my.keys" }).keyFile).toBe("my.keys");
  });

  it("has the versions of a vault's secret, and then a file only if it is named, for older keys", () => {
    const vault = { url: VAULT, login: { type: "default", clientId: undefined, tenantId: undefined }, ofTest: false };
    const vaultSecret = { vault, name: "agent-communication-encryption-key" };
    expect(read({ AZURE_KEY_VAULT_URL: `${VAULT}/` })).toEqual({ all: false, vaultSecret, keyFile: undefined });
    expect(read({ ...SQL, AZURE_KEY_VAULT_URL: VAULT, AGENT_ENCRYPTION_SECRET: "other" })).toMatchObject({
      vaultSecret: { name: "other" },
    });
    expect(read({ AZURE_KEY_VAULT_URL: VAULT, AGENT_KEY_FILE: "old.keys" })).toMatchObject({ keyFile: "old.keys" });
    const application = { AZURE_CLIENT_ID: "id", AZURE_CLIENT_SECRET: "s", AZURE_TENANT_ID: "t" };
    expect(read({ AZURE_KEY_VAULT_URL: VAULT, ...application }).vaultSecret?.vault.login).toMatchObject({
      type: "service-principal",
      clientId: "id",
    });
  });

  it("of everything needs keys from the start", () => {
    expect(problems({ ...SQL, AGENT_ENCRYPT: "all" })).toContain(
      "AGENT_ENCRYPT: all needs AZURE_KEY_VAULT_URL or AGENT_KEY_FILE in mode sql",
    );
    expect(problems({ ...SQL, AGENT_ENCRYPT: "all", AGENT_KEY_FILE: "k" })).toBe("");
    expect(problems({ ...SQL, AGENT_ENCRYPT: "all", AZURE_KEY_VAULT_URL: VAULT })).toBe("");
  });

  it.each<[string, Record<string, string>]>([
    ["AGENT_ENCRYPT: must be marked or all", { AGENT_ENCRYPT: "some" }],
    ["AGENT_ENCRYPTION_SECRET: must be the name", { AGENT_ENCRYPTION_SECRET: "a/b" }],
    ["AZURE_KEY_VAULT_URL: must be the vault's address", { AZURE_KEY_VAULT_URL: "http://agents.vault.azure.net" }],
    ["AZURE_KEY_VAULT_URL: must be the vault's address", { AZURE_KEY_VAULT_URL: `${VAULT}/secrets/x` }],
    [
      "AZURE_KEY_VAULT_URL: must be the vault's address",
      { AZURE_KEY_VAULT_URL: "https://me:pw@agents.vault.azure.net" },
    ],
    ["AZURE_KEY_VAULT_URL: must be the vault's address", { AZURE_KEY_VAULT_URL: "agents" }],
    [
      "AZURE_CLIENT_ID: is required for a service principal",
      { AZURE_KEY_VAULT_URL: VAULT, AZURE_CLIENT_SECRET: "hush" },
    ],
    [
      "AZURE_KEY_VAULT_URL: must not be a loopback address on Azure",
      { ...AZURE, AZURE_KEY_VAULT_URL: "https://localhost" },
    ],
    ["AGENT_KEY_FILE: cannot be used on Azure", { ...AZURE, AGENT_KEY_FILE: "k" }],
  ])("says %s", (problem, variables) => {
    const message = problems(variables);
    expect(message).toContain(problem);
    expect(message).not.toMatch(/hush|pw@/);
  });

  it("trusts what a vault says of its domain, unless it is a server on this machine", () => {
    expect(read({ AZURE_KEY_VAULT_URL: "https://127.0.0.1:8443" }).vaultSecret?.vault.ofTest).toBe(true);
    for (const url of [VAULT, "https://10.0.0.5", "https://localhost.example.net"]) {
      expect(read({ AZURE_KEY_VAULT_URL: url }).vaultSecret?.vault.ofTest).toBe(false);
    }
  });
});

describe("a password in a vault", () => {
  const login = {
    ...SQL,
    AZURE_SQL_USERNAME: "app",
    AZURE_SQL_PASSWORD_SECRET: "sql-password",
    AZURE_KEY_VAULT_URL: VAULT,
  };
  const authentication = (variables: Record<string, string>) => readConfig(variables).sql?.authentication;

  it("is named instead of it, singly and beside a connection string", () => {
    const expected = { type: "sql-login", username: "app", password: { name: "sql-password", vault: { url: VAULT } } };
    expect(authentication(login)).toMatchObject(expected);
    const { AZURE_SQL_SERVER: _server, AZURE_SQL_DATABASE: _database, AZURE_SQL_USERNAME: _user, ...rest } = login;
    const text = "Server=db.example.net;Database=agents;User ID=app";
    expect(authentication({ ...rest, AZURE_SQL_CONNECTION_STRING: text })).toMatchObject(expected);
  });

  it.each<[string, Record<string, string>]>([
    ["needs AZURE_KEY_VAULT_URL", { AZURE_KEY_VAULT_URL: "" }],
    ["AZURE_SQL_PASSWORD: must not be set together with AZURE_SQL_PASSWORD_SECRET", { AZURE_SQL_PASSWORD: "hush" }],
    ["AZURE_SQL_USERNAME (User ID): is required with AZURE_SQL_PASSWORD_SECRET", { AZURE_SQL_USERNAME: "" }],
    ["AZURE_SQL_PASSWORD_SECRET: must be the name of a secret", { AZURE_SQL_PASSWORD_SECRET: "a b" }],
    ["AZURE_KEY_VAULT_URL: must be the vault's address", { AZURE_KEY_VAULT_URL: "http://x" }],
  ])("says %s", (problem, variables) => {
    const message = problems({ ...login, ...variables });
    expect(message).toContain(problem);
    expect(message).not.toContain("hush");
  });
});
