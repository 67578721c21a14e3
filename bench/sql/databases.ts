import type mssql from "mssql";
import { CALM, engineOf, openConnection, openPool, settingsOf } from "../../scripts/query-plans/database.ts";
import { contentOf, fill, type Size } from "../../scripts/query-plans/fill.ts";
import { withLoopJoins } from "../../scripts/query-plans/loop-joins.ts";
import { systemClock } from "../../src/lib/model/clock.ts";
import { applyMigrations } from "../../src/lib/store/mssql/migrate.ts";
import { storeOver } from "../../src/lib/store/mssql/open.ts";
import { connectPool, poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import type { Store } from "../../src/lib/store/store.ts";
import { ByHand } from "./by-hand.ts";
import { ByStore } from "./by-store.ts";
import { type OtherBuild, otherBuild } from "./other-build.ts";
import { SentBytes } from "./sent-bytes.ts";

/** Databases of the benchmark's own on the server that AZURE_SQL_* name. */

/** A filled database with both ways to use it, each with sessions of its own. */
export interface Bench {
  store: ByStore;
  hand: ByHand;
  /** What the sessions of the store have sent. */
  sent: SentBytes;
  /** The store of another checkout, on a database of its own. */
  before: { store: ByStore; sent: SentBytes } | undefined;
  close(): Promise<void>;
}

async function onServer<T>(act: (pool: mssql.ConnectionPool) => Promise<T>): Promise<T> {
  const pool = await openPool(settingsOf("master"));
  try {
    return await act(pool);
  } finally {
    await pool.close();
  }
}

/** The engine, by the first line of what it says of itself. */
export function engine(): Promise<string> {
  return onServer(engineOf);
}

/** What Azure SQL has on by default, where there is such a thing. */
async function setLikeAzure(pool: mssql.ConnectionPool, name: string): Promise<void> {
  if (!(await engineOf(pool)).startsWith("Microsoft SQL Server")) return;
  for (const option of ["READ_COMMITTED_SNAPSHOT ON", "ACCELERATED_DATABASE_RECOVERY = ON", "OPTIMIZED_LOCKING = ON"]) {
    await pool.request().batch(`ALTER DATABASE ${name} SET ${option} WITH ROLLBACK IMMEDIATE`);
  }
}

/** Makes a database and fills it, by this build or another one. */
export async function makeDatabase(name: string, size: Size, build?: OtherBuild): Promise<void> {
  await onServer(async (pool) => {
    await pool.request().batch(`DROP DATABASE IF EXISTS ${name}`);
    await pool.request().batch(`CREATE DATABASE ${name}`);
    await setLikeAzure(pool, name);
  });
  const settings = settingsOf(name);
  const open = () => openPool({ ...settings, poolSize: 1 });
  const pool = await open();
  try {
    await (build === undefined ? applyMigrations(pool) : build.migrate(pool));
    const store = build === undefined ? storeOver(openConnection({ ...settings, poolSize: 1 })) : build.open(pool);
    await fill(store, open, size, (line) => console.log(`${name}: ${line}`)).finally(() => store.close());
  } finally {
    await pool.close();
  }
}

/** What a filled database holds. */
export async function sizeOf(name: string): Promise<Size> {
  const store = storeOver(openConnection({ ...settingsOf(name), poolSize: 1 }));
  const content = await contentOf(store).finally(() => store.close());
  if (typeof content === "string") throw new Error(`${name} was not filled by npm run query-plans`);
  return content;
}

export async function dropDatabase(name: string): Promise<void> {
  await onServer(async (pool) => {
    // The sessions of a pool that was just closed may take a moment to end on the server.
    for (let tries = 10; ; tries -= 1) {
      try {
        await pool.request().batch(`DROP DATABASE IF EXISTS ${name}`);
        return;
      } catch (error) {
        if (tries === 0) throw error;
        await systemClock.sleep(500);
      }
    }
  });
}

/** @param sessions of each way: one for calls one after the other */
export async function openBench(
  name: string,
  sessions: number,
  prepare?: (store: Store) => Promise<void>,
  before?: Before,
): Promise<Bench> {
  const settings = { ...settingsOf(name), poolSize: sessions };
  const sent = new SentBytes();
  const version = await engine();
  const change = (config: mssql.config) => withLoopJoins(config, version);
  const connection = openConnection(settings, (config) => sent.watch(change(config)));
  const store = storeOver(connection);
  const pool = await connectPool(change(await poolConfig(settings, systemClock)));
  await prepare?.(store);
  const other = before === undefined ? undefined : await openBefore(before, sessions, change, prepare);
  return {
    store: new ByStore(store),
    hand: new ByHand(pool),
    sent,
    before: other,
    async close() {
      await connection.close();
      await pool.close();
      await other?.close();
    },
  };
}

/** Another checkout and the database that it has filled. */
export interface Before {
  build: OtherBuild;
  database: string;
}

/** The build of another checkout, and a filled database of its own. */
export async function makeBefore(folder: string, database: string, size: Size): Promise<Before> {
  const build = await otherBuild(folder, { settings: CALM, clock: systemClock });
  await makeDatabase(database, size, build);
  return { build, database };
}

async function openBefore(
  { build, database }: Before,
  sessions: number,
  change: (config: mssql.config) => mssql.config,
  prepare?: (store: Store) => Promise<void>,
) {
  const sent = new SentBytes();
  const config = change(await poolConfig({ ...settingsOf(database), poolSize: sessions }, systemClock));
  const pool = await connectPool(sent.watch(config));
  const store = build.open(pool);
  await prepare?.(store);
  return {
    store: new ByStore(store),
    sent,
    async close() {
      await store.close();
      await pool.close();
    },
  };
}
