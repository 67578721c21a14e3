import { AgentCommunicationError } from "../../model/errors.ts";

/** Which errors of SQLite mean that the file cannot be used. https://www.sqlite.org/rescode.html */

/** SQLITE_BUSY: another process holds the lock. https://www.sqlite.org/rescode.html */
export const BUSY = 5;
/**
 * SQLite result codes that mean the file cannot be used now: no permission, busy, locked, out of memory, read-only, I/O, corrupt,
 * full, cannot open, another process's locks broke the protocol, the schema was changed, no large files, no database.
 */
const UNAVAILABLE_CODES = new Set([3, BUSY, 6, 7, 8, 10, 11, 13, 14, 15, 17, 22, 26]);
/** SQLITE_ERROR says this of a table that was there when the file was opened: the file has been emptied since. */
const TABLE_IS_GONE = /^no such table: /;

/** The primary result code of an error of SQLite; undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  // By its shape: node:sqlite makes its errors in the realm of node itself, which is another one for a script in node:vm.
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  if (typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** A driver error as the caller may see it: STORE_UNAVAILABLE when the file is at fault, itself otherwise. */
export function storeError(error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return error;
  const emptied = error instanceof Error && TABLE_IS_GONE.test(error.message);
  if (!emptied && !UNAVAILABLE_CODES.has(code)) return error;
  return new AgentCommunicationError("STORE_UNAVAILABLE", "The database file cannot be used now; try again.", {
    retryAfterSeconds: 1,
    cause: error,
  });
}

/** Only an operator can help, and has to restart the process: what the old file holds is not to be mixed with a new one. */
export function fileIsLost(path: string): AgentCommunicationError {
  const cause = Object.assign(new Error("deleted or replaced while it was open"), { path });
  const detail = "The database file was deleted or replaced while the service ran; it must be restarted.";
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { retryAfterSeconds: 30, cause });
}
