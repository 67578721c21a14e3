import { z } from "zod";
import { writtenWhole } from "../model/written-number.ts";
import { type Environment, isLoopback, onAzure } from "./platform.ts";
import { readAuthentication, type SqlAuthentication } from "./sql-authentication.ts";
import { poolSize, readConnectionString, requestTimeout, type SqlParts, timeoutSeconds } from "./sql-keywords.ts";
import { parseServer } from "./sql-server-name.ts";

/** How to reach the database of mode `sql`: the AZURE_SQL_ settings, singly or as one connection string. */

/** What the driver needs to be told. */
export interface SqlSettings {
  server: string;
  port: number;
  database: string;
  authentication: SqlAuthentication;
  /** `strict` is TDS 8.0. false only for a test server on this machine. */
  encrypt: boolean | "strict";
  /** true only for a test server on this machine. */
  trustServerCertificate: boolean;
  /** Connections that one process may have open. */
  poolSize: number;
  connectTimeoutSeconds: number;
  requestTimeoutSeconds: number;
}

const DEFAULT_PORT = 1_433;
/** Calls of a process share batches, so a few connections carry many; 20 processes fit the 200 workers of 2 vCores. */
const DEFAULT_POOL_SIZE = 10;
/** As long as a call is tried at all (connection.ts): whom a longer wait would help has been answered by then. */
const DEFAULT_CONNECT_TIMEOUT_SECONDS = 10;
const DEFAULT_REQUEST_TIMEOUT_SECONDS = 30;

const schema = z.object({
  AZURE_SQL_CONNECTION_STRING: z.string().max(8_192).optional(),
  AZURE_SQL_SERVER: z.string().optional(),
  AZURE_SQL_PORT: writtenWhole(1, 65_535).optional(),
  AZURE_SQL_DATABASE: z.string().max(128).optional(),
  AZURE_SQL_USERNAME: z.string().max(128).optional(),
  AZURE_SQL_PASSWORD: z.string().max(128).optional(),
  AZURE_SQL_POOL_SIZE: poolSize.optional(),
  AZURE_SQL_CONNECT_TIMEOUT: timeoutSeconds.optional(),
  AZURE_SQL_REQUEST_TIMEOUT: requestTimeout.optional(),
  AZURE_SQL_TEST_SERVER: z.enum(["on", "off"]).default("off"),
});

type Settings = z.output<typeof schema>;

/** What a connection string says in its own words. */
const SAID_BY_STRING = ["SERVER", "PORT", "DATABASE", "USERNAME", "PASSWORD"] as const;
/** What may stand beside it, but not be said twice. */
const BESIDE_STRING = {
  AZURE_SQL_POOL_SIZE: "poolSize",
  AZURE_SQL_CONNECT_TIMEOUT: "connectTimeoutSeconds",
  AZURE_SQL_REQUEST_TIMEOUT: "requestTimeoutSeconds",
} as const satisfies Partial<Record<keyof Settings, keyof SqlParts>>;

/**
 * Reads the settings; problems name the setting and never hold a secret.
 *
 * @param environment without empty variables
 */
export function readSqlSettings(environment: Environment): { settings: SqlSettings } | { problems: string[] } {
  const { given, problems: bad } = readEach(environment);
  const { parts, problems } =
    given.AZURE_SQL_CONNECTION_STRING === undefined
      ? singleParts(given)
      : stringParts(given, given.AZURE_SQL_CONNECTION_STRING);
  const { server, database } = parts;
  const testServer = given.AZURE_SQL_TEST_SERVER === "on";
  problems.push(...encryptionProblems(parts, testServer, environment));
  const { login: authentication, problems: refused } = readAuthentication(parts, environment);
  problems.push(...refused);
  if (
    bad.length + problems.length > 0 ||
    server === undefined ||
    database === undefined ||
    authentication === undefined
  ) {
    return { problems: [...bad, ...problems] };
  }
  return {
    settings: {
      server,
      port: parts.port ?? DEFAULT_PORT,
      database,
      authentication,
      encrypt: parts.encrypt ?? !testServer,
      trustServerCertificate: testServer,
      poolSize: parts.poolSize ?? DEFAULT_POOL_SIZE,
      connectTimeoutSeconds: parts.connectTimeoutSeconds ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
      requestTimeoutSeconds: parts.requestTimeoutSeconds ?? DEFAULT_REQUEST_TIMEOUT_SECONDS,
    },
  };
}

/** The settings that are well formed; the others as problems, so that all that is wrong is said at once. */
function readEach(environment: Environment): { given: Settings; problems: string[] } {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return { given: parsed.data, problems: [] };
  const names = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
  const rest = Object.fromEntries(Object.entries(environment).filter(([name]) => !names.has(name)));
  const problems = parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
  return { given: schema.parse(rest), problems };
}

function singleParts(given: Settings): { parts: SqlParts; problems: string[] } {
  const problems: string[] = [];
  const parts: SqlParts = {
    port: given.AZURE_SQL_PORT,
    database: given.AZURE_SQL_DATABASE,
    username: given.AZURE_SQL_USERNAME,
    password: given.AZURE_SQL_PASSWORD,
    poolSize: given.AZURE_SQL_POOL_SIZE,
    connectTimeoutSeconds: given.AZURE_SQL_CONNECT_TIMEOUT,
    requestTimeoutSeconds: given.AZURE_SQL_REQUEST_TIMEOUT,
  };
  if (given.AZURE_SQL_SERVER === undefined) {
    problems.push("AZURE_SQL_SERVER: mode sql needs this or AZURE_SQL_CONNECTION_STRING");
  } else {
    const read = parseServer(given.AZURE_SQL_SERVER);
    if ("problem" in read) problems.push("AZURE_SQL_SERVER: must be a host name; the port goes into AZURE_SQL_PORT");
    else if (read.port !== undefined) problems.push("AZURE_SQL_SERVER: the port goes into AZURE_SQL_PORT");
    else parts.server = read.server;
  }
  if (given.AZURE_SQL_DATABASE === undefined) {
    problems.push("AZURE_SQL_DATABASE: mode sql needs this or AZURE_SQL_CONNECTION_STRING");
  }
  return { parts, problems };
}

function stringParts(given: Settings, connectionString: string): { parts: SqlParts; problems: string[] } {
  const { parts, problems: found } = readConnectionString(connectionString);
  const problems = found.map((problem) => `AZURE_SQL_CONNECTION_STRING: ${problem}`);
  for (const name of SAID_BY_STRING) {
    if (given[`AZURE_SQL_${name}`] !== undefined) {
      problems.push(`AZURE_SQL_${name}: must not be set together with AZURE_SQL_CONNECTION_STRING, which contains it`);
    }
  }
  for (const name of Object.keys(BESIDE_STRING) as (keyof typeof BESIDE_STRING)[]) {
    const part = BESIDE_STRING[name];
    if (given[name] === undefined) continue;
    if (parts[part] !== undefined) problems.push(`${name}: is also set by AZURE_SQL_CONNECTION_STRING`);
    parts[part] = given[name];
  }
  if (found.length === 0) {
    if (parts.server === undefined) problems.push("AZURE_SQL_CONNECTION_STRING: Server is missing");
    if (parts.database === undefined) problems.push("AZURE_SQL_CONNECTION_STRING: Database is missing");
  }
  return { parts, problems };
}

function encryptionProblems(parts: SqlParts, testServer: boolean, environment: Environment): string[] {
  const problems: string[] = [];
  if (testServer && onAzure(environment)) problems.push("AZURE_SQL_TEST_SERVER: must not be set on Azure");
  if (testServer && parts.server !== undefined && !isLoopback(parts.server)) {
    problems.push("AZURE_SQL_TEST_SERVER: is only for a server on a loopback address");
  }
  if (!testServer && parts.encrypt === false) {
    problems.push(
      "AZURE_SQL_CONNECTION_STRING: Encrypt: must be yes (AZURE_SQL_TEST_SERVER=on is for a local test server)",
    );
  }
  if (!testServer && parts.trustServerCertificate === true) {
    problems.push(
      "AZURE_SQL_CONNECTION_STRING: TrustServerCertificate: must be no (AZURE_SQL_TEST_SERVER=on is for a local test server)",
    );
  }
  return problems;
}
