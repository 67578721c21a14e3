/** How often an agent is told to beat. */

/** An agent that beats as it is told may miss two beats. */
export const BEATS_IN_TIMEOUT = 3;

/**
 * Seconds between two heartbeats of an agent, as its reply says.
 *
 * @param own the agent's own timeout in whole seconds, 10 at least; null: it has none
 * @param setting the interval that the service is set to, in seconds
 */
export function heartbeatIntervalSeconds(own: number | null, setting: number): number {
  return own === null ? setting : Math.floor(own / BEATS_IN_TIMEOUT);
}
