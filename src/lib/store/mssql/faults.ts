import { RACE } from "./transaction.ts";

/** Which errors of the driver and the server are worth another try. */

/** 2601, 2627: a unique key that the batch had found free; 547: a row that it had found is gone. */
const RACES: ReadonlySet<number> = new Set([RACE, 2601, 2627, 547]);

/**
 * 1205 deadlock victim, 1222 lock timeout, and what Azure SQL says while it moves, scales or throttles a database.
 * https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
 */
const TRANSIENT: ReadonlySet<number> = new Set([
  1205, 1222, 4060, 4221, 10928, 10929, 40143, 40166, 40197, 40501, 40540, 40613, 49918, 49919, 49920, 615, 926, 10053,
  10054, 10060, 233, 64, 20, 121,
]);

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

function property(error: unknown, name: "number" | "code"): unknown {
  if (!(error instanceof Error)) return undefined;
  return name in error ? error[name as keyof Error] : undefined;
}

/** The server's error number, also of an error that wraps it. */
function numberOf(error: unknown): number | undefined {
  const number = property(error, "number");
  if (typeof number === "number") return number;
  return error instanceof Error && error.cause !== undefined ? numberOf(error.cause) : undefined;
}

/** Whether the state that the batch had read was changed before it wrote: the same batch again reads the new one. */
export function isLostRace(error: unknown): boolean {
  const number = numberOf(error);
  return number !== undefined && RACES.has(number);
}

/** Whether the server, or the way to it, was in a state that passes. */
export function isTransient(error: unknown): boolean {
  const number = numberOf(error);
  if (number !== undefined && TRANSIENT.has(number)) return true;
  const code = property(error, "code");
  if (typeof code === "string" && CONNECTION_CODES.has(code)) return true;
  // The pool's own: no connection became free in time.
  return error instanceof Error && error.name === "TimeoutError";
}
