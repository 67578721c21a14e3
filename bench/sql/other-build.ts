import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type mssql from "mssql";
import type { Store } from "../../src/lib/store/store.ts";

/** Another checkout of this repository, whose store is measured beside ours in one run: `--against ../before`. */
export interface OtherBuild {
  /** Makes the schema, and the procedures where it has some. */
  migrate(pool: mssql.ConnectionPool): Promise<void>;
  /** A store over a pool that stays open when it is closed. */
  open(pool: mssql.ConnectionPool): Store;
}

/** The modules of a checkout as far as they are used here; the words for them are ours, the code is its own. */
interface Modules {
  "migrate.ts": { applyMigrations(pool: mssql.ConnectionPool): Promise<void> };
  "connection.ts": { Connection: new (options: object) => object };
  "open.ts": { storeOver(connection: object): Store };
}

async function load<File extends keyof Modules>(folder: string, file: File): Promise<Modules[File]> {
  return import(pathToFileURL(join(resolve(folder), "src/lib/store/mssql", file)).href) as Promise<Modules[File]>;
}

/**
 * @param folder of the checkout, with its packages installed
 * @param options what a connection needs beside its pool
 */
export async function otherBuild(folder: string, options: object): Promise<OtherBuild> {
  const { applyMigrations } = await load(folder, "migrate.ts");
  const { Connection } = await load(folder, "connection.ts");
  const { storeOver } = await load(folder, "open.ts");
  return {
    migrate: (pool) => applyMigrations(pool),
    open: (pool) => storeOver(new Connection({ ...options, openPool: async () => pool, keepPool: true })),
  };
}
