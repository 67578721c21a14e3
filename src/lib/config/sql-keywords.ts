import type { z } from "zod";
import { writtenWhole } from "../model/written-number.ts";
import { ConnectionStringError, type Segment, segmentsOf } from "./connection-string.ts";
import { parseServer } from "./sql-server-name.ts";

/** What AZURE_SQL_CONNECTION_STRING may say, in the words of ADO.NET and of ODBC. */

/** How to reach a database, as far as it was said. */
export interface SqlParts {
  server?: string;
  port?: number;
  database?: string;
  username?: string;
  password?: string;
  /** Lower-case and without spaces, so that both forms' names read the same: `activedirectorymsi`. */
  authentication?: string;
  encrypt?: boolean | "strict";
  trustServerCertificate?: boolean;
  poolSize?: number;
  connectTimeoutSeconds?: number;
  requestTimeoutSeconds?: number;
}

/** Limits of the numbers, here and in settings of their own. */
export const poolSize = writtenWhole(1, 1_000);
export const timeoutSeconds = writtenWhole(1, 3_600);
/** Of one batch. Sealing the audit counts on it that no transaction is older than twice this. */
export const requestTimeout = writtenWhole(1, 120);

const SWITCH: Readonly<Record<string, boolean>> = { yes: true, true: true, no: false, false: false };
const ENCRYPT: Readonly<Record<string, boolean | "strict">> = {
  ...SWITCH,
  mandatory: true,
  optional: false,
  strict: "strict",
};

/** Reads a value into the parts, or says what is wrong with it. */
type Reader = (parts: SqlParts, value: string) => string | undefined;

function text(name: "database" | "username" | "password" | "authentication"): Reader {
  return (parts, value) => {
    if (value === "") return "is empty";
    // What the Azure portal shows in place of the password.
    if (name === "password" && /^\{?your_password(?:_here)?\}?$/i.test(value))
      return "is still the portal's placeholder";
    parts[name] = name === "authentication" ? value.toLowerCase().replaceAll(/[\s-]/g, "") : value;
    return undefined;
  };
}

function number(
  name: "poolSize" | "connectTimeoutSeconds" | "requestTimeoutSeconds",
  schema: z.ZodType<number>,
): Reader {
  return (parts, value) => {
    const parsed = schema.safeParse(value === "" ? undefined : value);
    if (!parsed.success) return parsed.error.issues[0]?.message ?? "is not valid";
    parts[name] = parsed.data;
    return undefined;
  };
}

function oneOf<Value extends boolean | "strict">(
  values: Readonly<Record<string, Value>>,
  put: (parts: SqlParts, value: Value) => void,
): Reader {
  return (parts, value) => {
    const known = Object.hasOwn(values, value.toLowerCase()) ? values[value.toLowerCase()] : undefined;
    if (known === undefined) return `must be one of ${Object.keys(values).join(", ")}`;
    put(parts, known);
    return undefined;
  };
}

const server: Reader = (parts, value) => {
  const read = parseServer(value);
  if ("problem" in read) return read.problem;
  parts.server = read.server;
  if (read.port !== undefined) parts.port = read.port;
  return undefined;
};

const trustServerCertificate = oneOf(SWITCH, (parts, value) => {
  parts.trustServerCertificate = value;
});
const encrypt = oneOf(ENCRYPT, (parts, value) => {
  parts.encrypt = value;
});
const connectTimeout = number("connectTimeoutSeconds", timeoutSeconds);
const WINDOWS_LOGIN: Reader = (_, value) =>
  /^(?:no|false)$/i.test(value) ? undefined : "Windows logins are not available; use a SQL login or Entra ID";
const WRITES: Reader = (_, value) => (/^readwrite$/i.test(value) ? undefined : "must be ReadWrite");
/** Means something to other drivers only, and nothing that we would have to obey. */
const nothing: Reader = () => undefined;

/** By keyword, lower-case and without spaces. Two of one reader say the same, so only one of them may be there. */
const READERS: Readonly<Record<string, Reader>> = (() => {
  const database = text("database");
  const username = text("username");
  const password = text("password");
  return {
    server,
    datasource: server,
    address: server,
    addr: server,
    networkaddress: server,
    database,
    initialcatalog: database,
    userid: username,
    uid: username,
    user: username,
    password,
    pwd: password,
    authentication: text("authentication"),
    encrypt,
    trustservercertificate: trustServerCertificate,
    connecttimeout: connectTimeout,
    connectiontimeout: connectTimeout,
    timeout: connectTimeout,
    commandtimeout: number("requestTimeoutSeconds", requestTimeout),
    maxpoolsize: number("poolSize", poolSize),
    integratedsecurity: WINDOWS_LOGIN,
    trusted_connection: WINDOWS_LOGIN,
    applicationintent: WRITES,
    ...Object.fromEntries(
      [
        ...["driver", "persistsecurityinfo", "multipleactiveresultsets", "mars_connection", "pooling", "minpoolsize"],
        ...["applicationname", "app", "workstationid", "wsid", "packetsize", "enlist", "multisubnetfailover"],
        ...["connectretrycount", "connectretryinterval", "transparentnetworkipresolution", "keepalive"],
      ].map((keyword) => [keyword, nothing]),
    ),
  };
})();

/** Reads the text; problems name the keyword, never a value. */
export function readConnectionString(connectionString: string): { parts: SqlParts; problems: string[] } {
  try {
    return readSegments(segmentsOf(connectionString));
  } catch (error) {
    if (error instanceof ConnectionStringError) return { parts: {}, problems: [error.message] };
    throw error;
  }
}

function readSegments(segments: readonly Segment[]): { parts: SqlParts; problems: string[] } {
  const parts: SqlParts = {};
  const problems: string[] = [];
  const seen = new Set<Reader>();
  let afterPassword = false;
  for (const { keyword, value } of segments) {
    const name = keyword.toLowerCase().replaceAll(/\s/g, "");
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    if (reader === undefined) {
      problems.push(unknownKeyword(keyword, afterPassword));
      continue;
    }
    afterPassword = name === "password" || name === "pwd";
    // Which of two counts differs between the forms (the last in ADO.NET, the first in ODBC), so it has to be one.
    if (reader !== nothing && seen.has(reader)) problems.push(`${keyword}: is given twice`);
    seen.add(reader);
    const problem = reader(parts, value);
    if (problem !== undefined) problems.push(`${keyword}: ${problem}`);
  }
  return { parts, problems };
}

/** By name, unless it may be a piece of a password that holds a semicolon. */
function unknownKeyword(keyword: string, afterPassword: boolean): string {
  if (afterPassword) return "the text after the password is not a keyword (a password with a semicolon must be quoted)";
  return /^[a-z][a-z _]{1,39}$/i.test(keyword) ? `${keyword}: is not a known keyword` : "a keyword is unknown";
}
