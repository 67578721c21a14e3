import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** What the driver tells of each request that it sends, and of what it would send for a transaction of its own. */
const CHANNELS = [
  "tracing:mssql:query:start",
  "tracing:mssql:batch:start",
  "tracing:mssql:execute:start",
  "tracing:mssql:bulk:start",
  "tracing:mssql:prepared-statement:prepare:start",
  "tracing:mssql:prepared-statement:execute:start",
  "mssql:transaction:begin",
  "mssql:transaction:commit",
  "mssql:transaction:rollback",
] as const;

/**
 * How often this process asks a SQL server while `act` runs.
 *
 * @example
 * expect(await countRoundTrips(() => store.heartbeat({ agentId }))).toBe(1);
 */
export async function countRoundTrips(act: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const listen = () => {
    count += 1;
  };
  for (const channel of CHANNELS) subscribe(channel, listen);
  try {
    await act();
  } finally {
    for (const channel of CHANNELS) unsubscribe(channel, listen);
  }
  return count;
}
