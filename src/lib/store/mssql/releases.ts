import { AgentCommunicationError } from "../../model/errors.ts";
import type { Row } from "./batch.ts";
import { readRelease, SLOTS, type Slot } from "./procedure-files.ts";
import { type SqlText, sqlText } from "./texts.ts";

/**
 * Releases of the procedures stand side by side in three schemas, so that an old version of the app goes on while a new one
 * comes up. A process calls those whose hash is its own.
 */

/** Which releases there are: a row (slot, hash) each. A principal sees only what it may execute. */
const FIND = sqlText(
  "find-release",
  SLOTS.map((slot) => `IF OBJECT_ID(N'${slot}.this_release') IS NOT NULL EXEC ${slot}.this_release;\n`).join(""),
);

/**
 * Finds the schema in which the release of this version stands.
 *
 * @param query sends a text and gives its recordsets
 * @throws STORE_UNAVAILABLE saying what to do, when it stands in none
 */
export async function findRelease(query: (sql: SqlText) => Promise<readonly (readonly Row[])[]>): Promise<Slot> {
  const rows = (await query(FIND)).flat();
  const own = rows.find(({ hash }) => hash === readRelease().hash);
  const slot = SLOTS.find((name) => name === own?.slot);
  if (slot === undefined) throw releaseMissing(rows.map(({ hash }) => String(hash)));
  return slot;
}

/**
 * The refusal of every call while the release of this process cannot be called.
 *
 * @param others hashes of the releases that can
 */
export function releaseMissing(others: readonly string[] = [], cause?: unknown): AgentCommunicationError {
  const there = others.length === 0 ? "" : `; it has ${others.join(", ")}`;
  const detail = `The database does not have the procedures of this release (${readRelease().hash}${there}), or this principal may not execute them. Run \`npm run migrate\`, and infra/sql/roles.sql if the principal has no role.`;
  // An operator has to do something first, so there is no hurry to come back.
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { retryAfterSeconds: 30, cause });
}
