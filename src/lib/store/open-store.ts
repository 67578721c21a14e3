import { type Config, storeSettings } from "../config/config.ts";
import type { SqlSettings } from "../config/sql-settings.ts";
import { type Clock, systemClock } from "../model/clock.ts";
import type { FaultListener } from "../trace/store-faults.ts";
import type { CopySource, CopyTarget } from "./copy/copied-rows.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that the settings name. The only file that knows both engines. The driver of Azure SQL takes longer to
 * load than all the rest together, so each engine is loaded only where it is used.
 *
 * @param onFault told of what Azure SQL could not do at once and is tried again, of a password that cannot be read, and of an
 *   embedded database whose file was deleted or replaced; must not throw
 * @throws whatever the engine says of a database that it cannot open
 * @example
 * const store = await openStore(readConfig(process.env));
 */
export async function openStore(config: Config, clock: Clock = systemClock, onFault?: FaultListener): Promise<Store> {
  const settings = storeSettings(config);
  if (config.sql === undefined) {
    const { openSqliteStore } = await import("./sqlite/open.ts");
    return openSqliteStore({ file: config.mockDatabase, settings, clock, onFault });
  }
  const { openMssqlStore } = await import("./mssql/open.ts");
  return openMssqlStore({ sql: config.sql, settings, clock, onFault });
}

/**
 * Opens both ends of a copy from the embedded database to Azure SQL: the file that the settings name, for us alone, and the
 * database of their `sql`.
 *
 * @throws CopyError when the file cannot be had
 */
export async function openCopy(
  config: Config & { sql: SqlSettings },
  clock: Clock = systemClock,
): Promise<{ source: CopySource; target: CopyTarget }> {
  const [{ openCopySource }, { openCopyTarget }] = await Promise.all([
    import("./sqlite/copy-source.ts"),
    import("./mssql/copy-target.ts"),
  ]);
  const source = openCopySource(config.mockDatabase, clock);
  return { source, target: openCopyTarget({ sql: config.sql, settings: storeSettings(config), clock }) };
}
