import mssql, { type Connection, type config } from "mssql";
import type { SqlSettings } from "../../config/sql-settings.ts";
import type { Clock } from "../../model/clock.ts";
import { credentialOf, SharedTokens } from "../../security/azure-credential.ts";
import { CachedSecret } from "../../security/cached-secret.ts";
import { KeyVault } from "../../security/key-vault.ts";
import type { ConnectionOptions } from "./connection.ts";

/** What the driver is told. (The embedded store has no such file: it has nothing to connect to.) */

/** A connection that no call has used for so long is closed: well before the half hour after which Azure's gateway drops it. */
const IDLE_MILLISECONDS = 300_000;

/** The largest that the server takes on an encrypted connection. */
const PACKET_BYTES = 16_383;

/** The password of the login, where a key vault has it. */
function passwordSecret(
  { authentication }: SqlSettings,
  clock: Clock,
  onFault?: ConnectionOptions["onFault"],
): CachedSecret | undefined {
  if (authentication.type !== "sql-login" || typeof authentication.password === "string") return undefined;
  const { vault, name } = authentication.password;
  const onFailure = (error: unknown) => onFault?.(error, "secret");
  return new CachedSecret({ vault: new KeyVault(vault), name, clock, onFailure });
}

/** How a connection gets its pool, and what it may do when its login is refused: the password may have been changed. */
export function poolOf(
  settings: SqlSettings,
  clock: Clock,
  onFault?: ConnectionOptions["onFault"],
): Pick<ConnectionOptions, "openPool" | "renewLogin"> {
  const secret = passwordSecret(settings, clock, onFault);
  const openPool = async () => connectPool(await poolConfig(settings, clock, secret));
  return secret === undefined ? { openPool } : { openPool, renewLogin: () => secret.renew() };
}

/**
 * @param secret the password of settings that name a secret; read anew by each connection that is made
 * @throws STORE_UNAVAILABLE when it cannot be read
 * @example
 * const pool = new mssql.ConnectionPool(await poolConfig(settings, systemClock));
 */
export async function poolConfig(
  settings: SqlSettings,
  clock: Clock,
  secret: CachedSecret | undefined = passwordSecret(settings, clock),
): Promise<config> {
  const { authentication } = settings;
  const connectMilliseconds = settings.connectTimeoutSeconds * 1_000;
  const timing: config = {
    server: settings.server,
    port: settings.port,
    database: settings.database,
    connectionTimeout: connectMilliseconds,
    requestTimeout: settings.requestTimeoutSeconds * 1_000,
    // It would ask the server before every batch whether it is still there: a round trip each. A batch that meets a dead
    // connection is sent again instead, on a new one.
    validateConnection: false,
    pool: {
      max: settings.poolSize,
      min: 0,
      idleTimeoutMillis: IDLE_MILLISECONDS,
      // How long a call waits for a connection to become free, and how long for a new one.
      acquireTimeoutMillis: connectMilliseconds,
      createTimeoutMillis: connectMilliseconds,
    },
    options: {
      encrypt: settings.encrypt,
      trustServerCertificate: settings.trustServerCertificate,
      useUTC: true,
      appName: "agent-communication",
      // We try again ourselves, with jitter and within the call's budget.
      maxRetriesOnTransientErrors: 0,
      packetSize: PACKET_BYTES,
    },
    beforeConnect: (connection) => {
      keepLoginErrorNumber(connection);
      sendAtOnce(connection);
    },
  };
  if (authentication.type === "sql-login") {
    const { username, password } = authentication;
    if (secret === undefined) return { ...timing, user: username, password: String(password) };
    await secret.load();
    return {
      ...timing,
      user: username,
      // The driver looks at it for every connection that it makes.
      get password() {
        return secret.latest;
      },
    };
  }
  const credential = new SharedTokens(await credentialOf(authentication), clock);
  return { ...timing, authentication: { type: "token-credential", options: { credential } } };
}

/**
 * The driver leaves out the number of the error that a login fails with, and only the number tells a database that is being
 * moved (40613) from a wrong password (18456). It comes with an event before the failure, so it is put into the failure.
 */
function keepLoginErrorNumber(connection: Connection): void {
  let number: number | undefined;
  const listen = (message: { number: number }) => {
    number = message.number;
  };
  connection.on("errorMessage", listen);
  connection.once("connect", (error) => {
    connection.off("errorMessage", listen);
    if (error !== undefined && number !== undefined) Object.assign(error, { number });
  });
}

/**
 * A batch of more than one packet (ours are often) would else wait for the server's acknowledgement of the first one, which
 * waits for more to acknowledge: 44 ms instead of 1 ms (Nagle's algorithm against delayed acknowledgements).
 */
function sendAtOnce(connection: Connection): void {
  connection.once("connect", () => connection.socket?.setNoDelay(true));
}

/** A pool that survives errors of its idle connections: it replaces them, and a call that meets one is sent again. */
export async function connectPool(config: config): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool(config);
  pool.on("error", () => {});
  return pool.connect();
}
