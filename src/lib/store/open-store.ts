import { type Clock, systemClock } from "../clock.ts";
import { type Config, storeSettings } from "../config.ts";
import { openSqliteStore } from "./sqlite/open.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that the settings name. The only file that knows both engines; only `mock`, the embedded SQLite file,
 * is there yet.
 *
 * @throws whatever the engine says of a database that it cannot open
 * @example
 * const store = openStore(readConfig(process.env));
 */
export function openStore(config: Config, clock: Clock = systemClock): Store {
  return openSqliteStore({ file: config.mockDatabase, settings: storeSettings(config), clock });
}
