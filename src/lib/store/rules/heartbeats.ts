import { BEATS_IN_TIMEOUT } from "../../model/heartbeats.ts";

/**
 * When an agent is silent, and how often a sign of life is written. The rules of both engines: SQLite computes with them, and a
 * test finds the numbers in the procedures and columns of Azure SQL.
 */

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/** What the rules look at: the agent's own timeout, null without one, and the settings of the service. */
interface Silence {
  own: number | null;
  settings: { heartbeatIntervalSeconds: number; heartbeatTimeoutSeconds: number };
}

/** How old a sign of life of the row `h` may grow, in the procedures; and how the column of that name follows from the timeout. */
export const RENEWAL_SQL = "COALESCE(h.renewal_milliseconds, @renewalMilliseconds)";
export const OWN_RENEWAL_SQL = `heartbeat_timeout_seconds * 1000 / ${BEATS_IN_TIMEOUT / RENEWAL_SHARE}`;

/** How old a stored sign of life may grow before an accepted call renews it, in milliseconds. */
export function renewalMilliseconds({ own, settings }: Silence): number {
  // A twelfth of the timeout, as the column renewal_milliseconds of Azure SQL has it.
  if (own !== null) return Math.floor((own * 1_000 * RENEWAL_SHARE) / BEATS_IN_TIMEOUT);
  return Math.round(settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE);
}
