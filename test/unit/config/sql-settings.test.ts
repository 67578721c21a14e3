import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ConfigError, readConfig } from "../../../src/lib/config/config.ts";
import type { SqlSettings } from "../../../src/lib/config/sql-settings.ts";

/** AZURE_SQL_ settings, singly and as a connection string. */

type Variables = Record<string, string>;

const LOCAL = { AGENT_COMMUNICATION_MODE: "sql", AGENT_AUTH_MODE: "none" };
const SINGLE = { AZURE_SQL_SERVER: "db.example.net", AZURE_SQL_DATABASE: "agents" };
const LOGIN = { AZURE_SQL_USERNAME: "app", AZURE_SQL_PASSWORD: "pw" };
const AZURE = { WEBSITE_SITE_NAME: "agents" };
const PRINCIPAL = { AZURE_CLIENT_ID: "id", AZURE_CLIENT_SECRET: "s3cr3t", AZURE_TENANT_ID: "tenant" };

function read(variables: Variables): SqlSettings {
  const { sql } = readConfig({ ...LOCAL, ...variables });
  if (sql === undefined) throw new Error("mode sql has settings");
  return sql;
}

function problemsOf(variables: Variables): string {
  try {
    readConfig({ ...LOCAL, ...variables });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "none";
}

const asString = (text: string, others: Variables = {}) => ({ AZURE_SQL_CONNECTION_STRING: text, ...others });

describe("single settings", () => {
  it("have defaults that check the server's certificate", () => {
    expect(read({ ...SINGLE, ...LOGIN })).toEqual({
      server: "db.example.net",
      port: 1433,
      database: "agents",
      authentication: { type: "sql-login", username: "app", password: "pw" },
      encrypt: true,
      trustServerCertificate: false,
      poolSize: 10,
      connectTimeoutSeconds: 10,
      requestTimeoutSeconds: 30,
    });
  });

  it("are all taken", () => {
    const settings = read({
      ...SINGLE,
      ...LOGIN,
      AZURE_SQL_PORT: "11433",
      AZURE_SQL_POOL_SIZE: "3",
      AZURE_SQL_CONNECT_TIMEOUT: "5",
      AZURE_SQL_REQUEST_TIMEOUT: "60",
    });
    expect(settings).toMatchObject({
      port: 11433,
      poolSize: 3,
      connectTimeoutSeconds: 5,
      requestTimeoutSeconds: 60,
    });
  });

  it("are not looked at in mode mock, and empty ones are absent", () => {
    expect(readConfig({ AZURE_SQL_SERVER: "a b", AZURE_SQL_PORT: "x" }).sql).toBeUndefined();
    expect(read({ ...SINGLE, ...LOGIN, AZURE_SQL_CONNECTION_STRING: "", AZURE_SQL_PORT: "" }).port).toBe(1433);
  });

  it.each<[string, Variables, readonly string[]]>([
    ["nothing", {}, ["AZURE_SQL_SERVER: ", "AZURE_SQL_DATABASE: "]],
    ["a user without a password", { ...SINGLE, AZURE_SQL_USERNAME: "app" }, ["AZURE_SQL_USERNAME, AZURE_SQL_PASSWORD"]],
    ["a password without a user", { ...SINGLE, AZURE_SQL_PASSWORD: "pw" }, ["AZURE_SQL_USERNAME, AZURE_SQL_PASSWORD"]],
    ["a port in the server", { ...SINGLE, AZURE_SQL_SERVER: "db.example.net,1433" }, ["AZURE_SQL_SERVER: "]],
    ["a URL as the server", { ...SINGLE, AZURE_SQL_SERVER: "https://db.example.net" }, ["AZURE_SQL_SERVER: "]],
    ["a named instance", { ...SINGLE, AZURE_SQL_SERVER: "host\\name" }, ["AZURE_SQL_SERVER: "]],
    [
      "bad numbers, all at once and with what else is missing",
      {
        AZURE_SQL_DATABASE: "agents",
        AZURE_SQL_PORT: "0",
        AZURE_SQL_POOL_SIZE: "many",
        AZURE_SQL_CONNECT_TIMEOUT: "-1",
        AZURE_SQL_REQUEST_TIMEOUT: "1.5",
        AZURE_SQL_TEST_SERVER: "yes",
        AGENT_MAX_RETRIES: "x",
      },
      [
        ...["AZURE_SQL_SERVER: ", "AZURE_SQL_PORT: ", "AZURE_SQL_POOL_SIZE: ", "AZURE_SQL_CONNECT_TIMEOUT: "],
        ...["AZURE_SQL_REQUEST_TIMEOUT: ", "AZURE_SQL_TEST_SERVER: ", "AGENT_MAX_RETRIES: "],
      ],
    ],
  ])("refuses %s by name", (_, variables, names) => {
    const problems = problemsOf(variables);
    for (const name of names) expect(problems).toContain(name);
  });
});

describe("authentication", () => {
  it.each<[string, Variables, SqlSettings["authentication"]]>([
    ["a laptop's login", {}, { type: "default" }],
    ["a user-assigned identity off Azure", { AZURE_CLIENT_ID: "id" }, { type: "default", clientId: "id" }],
    [
      "a service principal",
      PRINCIPAL,
      { type: "service-principal", tenantId: "tenant", clientId: "id", clientSecret: "s3cr3t" },
    ],
    [
      "a SQL login before all others",
      { ...PRINCIPAL, ...LOGIN },
      { type: "sql-login", username: "app", password: "pw" },
    ],
  ])("without a user name: %s", (_, variables, authentication) => {
    expect(read({ ...SINGLE, ...variables }).authentication).toEqual(authentication);
  });

  it("names what a service principal lacks", () => {
    const problems = problemsOf({ ...SINGLE, AZURE_CLIENT_SECRET: "s3cr3t" });
    expect(problems).toContain("AZURE_CLIENT_ID: ");
    expect(problems).toContain("AZURE_TENANT_ID: ");
    expect(problems).not.toContain("s3cr3t");
  });
});

describe("a local test server", () => {
  const on = { AZURE_SQL_TEST_SERVER: "on", ...LOGIN, AZURE_SQL_DATABASE: "agents" };

  it.each(["localhost", "127.0.0.1", "127.9.9.9", "::1", "LOCALHOST"])("%s may do without encryption", (server) => {
    expect(read({ ...on, AZURE_SQL_SERVER: server })).toMatchObject({ encrypt: false, trustServerCertificate: true });
  });

  it.each(["db.example.net", "10.0.0.1", "localhost.example.net", "127.0.0.1.example.net", "0.0.0.0"])(
    "%s is none",
    (server) => expect(problemsOf({ ...on, AZURE_SQL_SERVER: server })).toContain("AZURE_SQL_TEST_SERVER: "),
  );

  it("is refused on Azure", () => {
    expect(problemsOf({ ...on, ...AZURE, AZURE_SQL_SERVER: "localhost" })).toContain(
      "AZURE_SQL_TEST_SERVER: must not be set on Azure",
    );
  });

  it("may encrypt without a certificate that can be checked", () => {
    const text = "Server=localhost;Database=agents;Uid=a;Pwd=b;Encrypt=yes;TrustServerCertificate=yes";
    const settings = read(asString(text, { AZURE_SQL_TEST_SERVER: "on" }));
    expect(settings).toMatchObject({ encrypt: true, trustServerCertificate: true });
    expect(problemsOf(asString(text))).toContain("TrustServerCertificate: must be no");
  });
});

const HOST = "tcp:db.example.net,1433";
const PLACE = {
  server: "db.example.net",
  port: 1433,
  database: "agents",
  encrypt: true,
  trustServerCertificate: false,
};

describe("connection strings as the Azure portal shows them", () => {
  it.each<[string, string, Variables, Partial<SqlSettings>]>([
    [
      "ADO.NET with a SQL login",
      `Server=${HOST};Initial Catalog=agents;Persist Security Info=False;User ID=app;Password=p;MultipleActiveResultSets=False;Encrypt=True;TrustServerCertificate=False;Connection Timeout=20;`,
      {},
      { ...PLACE, authentication: { type: "sql-login", username: "app", password: "p" }, connectTimeoutSeconds: 20 },
    ],
    [
      "ADO.NET with a developer's login",
      `Server=${HOST};Initial Catalog=agents;Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;Authentication="Active Directory Default";`,
      {},
      { ...PLACE, authentication: { type: "default" } },
    ],
    [
      "ADO.NET with a managed identity",
      `Data Source=db.example.net;Database=agents;Authentication=Active Directory Managed Identity;User Id=id`,
      {},
      { ...PLACE, authentication: { type: "managed-identity", clientId: "id" } },
    ],
    [
      "ADO.NET with a service principal",
      `Server=${HOST};Database=agents;Authentication=Active Directory Service Principal;User Id=id;Password='s;cret'`,
      { AZURE_TENANT_ID: "tenant" },
      {
        ...PLACE,
        authentication: { type: "service-principal", tenantId: "tenant", clientId: "id", clientSecret: "s;cret" },
      },
    ],
    [
      "ADO.NET with its own names and numbers",
      "Address=localhost,1444;database=agents;user=app;pwd=p;Encrypt=Strict;Max Pool Size=7;Command Timeout=9;Timeout=8;App=x;Trust Server Certificate=false",
      {},
      {
        server: "localhost",
        port: 1444,
        encrypt: "strict",
        poolSize: 7,
        requestTimeoutSeconds: 9,
        connectTimeoutSeconds: 8,
      },
    ],
    [
      "ODBC with a SQL login",
      `Driver={ODBC Driver 18 for SQL Server};Server=${HOST};Database=agents;Uid=app;Pwd={p;}}"'};Encrypt=yes;TrustServerCertificate=no;Connection Timeout=30;`,
      {},
      { ...PLACE, authentication: { type: "sql-login", username: "app", password: `p;}"'` } },
    ],
    [
      "ODBC with a managed identity",
      `Driver={ODBC Driver 18 for SQL Server};Server=${HOST};Database=agents;Encrypt=yes;TrustServerCertificate=no;Authentication=ActiveDirectoryMsi`,
      {},
      { ...PLACE, authentication: { type: "managed-identity" } },
    ],
    [
      "ODBC with a service principal",
      `Driver={ODBC Driver 17 for SQL Server};Server=${HOST};Database=agents;Uid=id@tenant;Pwd=secret;Authentication=ActiveDirectoryServicePrincipal`,
      {},
      {
        ...PLACE,
        authentication: { type: "service-principal", tenantId: "tenant", clientId: "id", clientSecret: "secret" },
      },
    ],
    [
      "ODBC with a browser",
      `Driver={ODBC Driver 18 for SQL Server};Server=${HOST};Database=agents;Uid=ann@example.net;Encrypt=yes;Authentication=ActiveDirectoryInteractive`,
      {},
      { ...PLACE, authentication: { type: "interactive", username: "ann@example.net" } },
    ],
  ])("%s", (_, text, variables, settings) => {
    expect(read(asString(text, variables))).toMatchObject(settings);
  });

  it.each([
    ["the portal's placeholder", `Server=${HOST};Database=a;Uid=a;Pwd={your_password}`, "Pwd: is still the portal's"],
    ["an unknown keyword", `Server=${HOST};Frobnicate=1;Database=a`, "Frobnicate: is not a known keyword"],
    ["a keyword twice", `Server=${HOST};Database=a;Initial Catalog=b`, "Initial Catalog: is given twice"],
    ["no server", "Database=a", "Server is missing"],
    ["no database", `Server=${HOST}`, "Database is missing"],
    ["an empty database", `Server=${HOST};Database=`, "Database: is empty"],
    ["a bad port", "Server=tcp:host,99999;Database=a", "Server: the port must be"],
    ["a port behind a colon", "Server=host:1433;Database=a", "Server: the port must follow a comma"],
    ["a pipe", "Server=np:\\\\.\\pipe\\sql;Database=a", "Server: only tcp"],
    ["a named instance", "Server=host\\sql;Database=a", "Server: named instances"],
    ["a Windows login", `Server=${HOST};Database=a;Integrated Security=SSPI`, "Integrated Security: Windows logins"],
    ["a Windows login of ODBC", `Driver={x};Server=${HOST};Database=a;Trusted_Connection=yes`, "Trusted_Connection: "],
    ["no encryption", `Server=${HOST};Database=a;Encrypt=Optional`, "Encrypt: must be yes"],
    [
      "no check of the certificate",
      `Server=${HOST};Database=a;TrustServerCertificate=true`,
      "TrustServerCertificate: must",
    ],
    ["a switch that is none", `Server=${HOST};Database=a;Encrypt=perhaps`, "Encrypt: must be one of"],
    ["a switch named like a method", `Server=${HOST};Database=a;Encrypt=constructor`, "Encrypt: must be one of"],
    ["a keyword named like a method", `Server=${HOST};Database=a;constructor=1`, "constructor: is not a known keyword"],
    [
      "a login by password in Entra",
      `Server=${HOST};Database=a;Authentication=Active Directory Password`,
      "Authentication: ",
    ],
    [
      "a Kerberos login",
      `Driver={x};Server=${HOST};Database=a;Authentication=ActiveDirectoryIntegrated`,
      "Authentication: ",
    ],
    [
      "a read-only server",
      `Server=${HOST};Database=a;ApplicationIntent=ReadOnly`,
      "ApplicationIntent: must be ReadWrite",
    ],
    ["a timeout of none", `Server=${HOST};Database=a;Connection Timeout=0`, "Connection Timeout: "],
    ["an endless pool", `Server=${HOST};Database=a;Max Pool Size=100000`, "Max Pool Size: "],
    [
      "an identity with a password",
      `Server=${HOST};Database=a;Authentication=ActiveDirectoryMsi;Pwd=hush`,
      "Password: ",
    ],
    ["ODBC whose driver is not first", `Server=${HOST};Database=a;Driver=x;Pwd={a;b}`, "part 5 is not"],
    ["JDBC", "jdbc:sqlserver://host:1433;databaseName=a", "part 1 is not of the form"],
  ])("refuses %s", (_, text, problem) => {
    const problems = problemsOf(asString(text));
    expect(problems).toContain(`AZURE_SQL_CONNECTION_STRING: ${problem}`);
    expect(problems).not.toContain("hush");
  });

  it("is refused beside the single settings, each by name", () => {
    const text = `Server=${HOST};Database=a;Max Pool Size=3`;
    const problems = problemsOf(asString(text, { ...SINGLE, ...LOGIN, AZURE_SQL_PORT: "1", AZURE_SQL_POOL_SIZE: "3" }));
    for (const name of ["SERVER", "PORT", "DATABASE", "USERNAME", "PASSWORD"]) {
      expect(problems).toContain(`AZURE_SQL_${name}: must not be set together`);
    }
    expect(problems).toContain("AZURE_SQL_POOL_SIZE: is also set by AZURE_SQL_CONNECTION_STRING");
  });

  it("takes pool size and timeouts beside it", () => {
    const text = `Server=${HOST};Database=a`;
    expect(read(asString(text, { AZURE_SQL_POOL_SIZE: "3", AZURE_SQL_REQUEST_TIMEOUT: "9" }))).toMatchObject({
      poolSize: 3,
      requestTimeoutSeconds: 9,
    });
  });

  it("an interactive login is refused where nobody can answer", () => {
    const text = `Server=${HOST};Database=a;Authentication=Active Directory Interactive`;
    expect(problemsOf(asString(text, AZURE))).toContain(
      "Authentication: an interactive login is not possible on Azure",
    );
  });
});

describe("a secret", () => {
  /** Words of passwords: none is a part of any message. */
  const word = fc.stringMatching(/^q[xz7]{5,9}$/);
  const separator = fc.constantFrom(";", "=", "'", '"', "{", "}", ";;", "=;", ";Pwd=", "; ", "';", '";', "};");
  const password = fc.array(fc.tuple(word, separator), { minLength: 1, maxLength: 4 });
  const place = fc.constantFrom("Password", "Pwd", "password ");
  const form = fc.constantFrom("", "Driver={ODBC Driver 18 for SQL Server};");
  const around = fc.constantFrom("", "Encrypt=no;", "Server=a b;", "Authentication=ActiveDirectoryMsi;", "Bad=1;");

  it("is in no message, however badly it is quoted", () => {
    fc.assert(
      fc.property(password, place, form, around, around, (words, keyword, driver, before, after) => {
        const secret = words.flat().join("");
        const problems = problemsOf(asString(`${driver}${before}Database=a;${keyword}=${secret};${after}`));
        for (const [one] of words) expect(problems).not.toContain(one);
      }),
    );
  });

  it("is in no message of the single settings", () => {
    const secret = "hush".repeat(40);
    const problems = problemsOf({
      AZURE_SQL_SERVER: `Server=a;Password=${secret}`,
      AZURE_SQL_PASSWORD: secret,
      AZURE_SQL_PORT: secret,
      AZURE_CLIENT_SECRET: secret,
    });
    expect(problems).toContain("AZURE_SQL_PASSWORD");
    expect(problems).not.toContain("hush");
  });
});
