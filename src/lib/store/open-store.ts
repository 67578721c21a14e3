import { type Clock, systemClock } from "../clock.ts";
import { type Config, storeSettings } from "../config.ts";
import { openSqliteStore } from "./sqlite/open.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that the settings name. The only file that knows both engines. The driver of Azure SQL takes longer to
 * load than all the rest together, so it is loaded only where it is used.
 *
 * @throws whatever the engine says of a database that it cannot open
 * @example
 * const store = await openStore(readConfig(process.env));
 */
export async function openStore(config: Config, clock: Clock = systemClock): Promise<Store> {
  const settings = storeSettings(config);
  if (config.sql === undefined) return openSqliteStore({ file: config.mockDatabase, settings, clock });
  const { openMssqlStore } = await import("./mssql/open.ts");
  return openMssqlStore({ sql: config.sql, settings, clock });
}
