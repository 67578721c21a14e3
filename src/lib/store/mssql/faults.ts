/** Which errors of the driver and the server are worth another try. */

/** 2601, 2627: a unique key that the batch had found free. */
const RACES: ReadonlySet<number> = new Set([2601, 2627]);

/** A row that the batch had found is gone, or, in its other meaning, a CHECK is violated: that is a defect of ours. */
const CONSTRAINT = 547;

/**
 * 1205 deadlock victim, 1222 lock timeout, no memory (701, 802, 8645, 8651), the log is away (9001), a session that took too much
 * (40549–40553), and what Azure SQL says while it moves, scales or throttles a database.
 * https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
 */
const TRANSIENT: ReadonlySet<number> = new Set([
  1205, 1222, 4060, 4221, 10928, 10929, 40143, 40166, 40197, 40501, 40540, 40613, 49918, 49919, 49920, 615, 926, 10053,
  10054, 10060, 233, 64, 20, 121, 701, 802, 8645, 8651, 9001, 40549, 40550, 40551, 40552, 40553,
]);

/**
 * The one concession to Babelfish for PostgreSQL, which gives this number to every error that it has none for: lock timeouts
 * and losses of its own plans among them, which pass. SQL Server does not know it.
 */
const UNMAPPED = 33_557_097;

/**
 * What stays so until somebody does something: a wrong or unknown login (18456, 18452, 18470, 18488, 4064, 916), the firewall
 * (40615, 40914, 47073), a server that is not there (40532), a missing permission (229, 230, 300), a schema that is not
 * there (208), a full database, file group, tempdb or log (40544, 1101, 1105, 9002), a database that is read-only, being restored,
 * offline or broken (3906, 927, 942, 945, 823, 824).
 * https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
const REFUSED: ReadonlySet<number> = new Set([
  18456, 18452, 18470, 18488, 4064, 916, 40615, 40914, 47073, 40532, 229, 230, 300, 208, 40544, 1101, 1105, 9002, 3906,
  927, 942, 945, 823, 824,
]);

/** A wrong or unknown login. */
const LOGIN_FAILED = 18_456;

/** Lost or refused connections and timeouts, as the driver and its pool name them. */
const CONNECTION_CODES: ReadonlySet<string> = new Set([
  "ESOCKET",
  "ECONNCLOSED",
  "ECONNRESET",
  "ECONNREFUSED",
  "ETIMEOUT",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "EINVALIDSTATE",
  "ENOTOPEN",
  "ENOCONN",
  "EABORT",
  "EINSTLOOKUP",
]);

/** The driver's: no connection could be made, for whatever reason. */
const CONNECTION_ERROR = "ConnectionError";

/** None of the pool's connections became free in time. Its error has neither a code nor a name of its own, only these words. */
const NONE_FREE = "Failed to acquire a connection from the pool:";

/** The server's error number, also of an error that the driver has wrapped. */
function numberOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("number" in error && typeof error.number === "number") return error.number;
  return numberOf("originalError" in error ? error.originalError : error.cause);
}

/** A batch has found another state than it had read, and has undone itself. */
export class LostRace extends Error {
  constructor() {
    super("the state that the batch had read was changed before it wrote");
    this.name = "LostRace";
  }
}

/** Whether the state that the batch had read was changed before it wrote: the same batch again reads the new one. */
export function isLostRace(error: unknown): boolean {
  if (error instanceof LostRace) return true;
  const number = numberOf(error);
  if (number === CONSTRAINT) return !(error instanceof Error && /\bcheck constraint\b/i.test(error.message));
  return number !== undefined && RACES.has(number);
}

/** Whether the database cannot be used before somebody has done something about it: another try would be in vain. */
export function isRefusal(error: unknown): boolean {
  const number = numberOf(error);
  return number !== undefined && REFUSED.has(number);
}

/** 2812: there is no such procedure. 229: a permission is missing, by its words the one to execute. */
const NO_PROCEDURE = 2_812;
const NO_PERMISSION = 229;

/**
 * Whether a procedure of the release is not there, or may not be executed: the release was taken away, or the principal has
 * no role. (Babelfish has no numbers for this.)
 */
export function isReleaseFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const number = numberOf(error);
  if (number === NO_PROCEDURE) return true;
  if (number === NO_PERMISSION) return /\bEXECUTE\b/.test(error.message);
  return (
    number === UNMAPPED &&
    /^procedure \S+.* does not exist|^permission denied for (procedure|schema)/.test(error.message)
  );
}

/** Whether the server does not take the password: it may have been changed. */
export function isLoginFailure(error: unknown): boolean {
  return numberOf(error) === LOGIN_FAILED;
}

/** Whether the server, or the way to it, was in a state that passes. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || isRefusal(error)) return false;
  const number = numberOf(error);
  if (number !== undefined && (TRANSIENT.has(number) || number === UNMAPPED)) return true;
  if ("code" in error && typeof error.code === "string" && CONNECTION_CODES.has(error.code)) return true;
  return error.name === CONNECTION_ERROR || error.message.startsWith(NONE_FREE);
}
