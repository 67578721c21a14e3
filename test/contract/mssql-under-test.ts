import type mssql from "mssql";
import { readSqlSettings, type SqlSettings } from "../../src/lib/config/sql-settings.ts";
import { OffsetClock, systemClock } from "../../src/lib/model/clock.ts";
import { Connection } from "../../src/lib/store/mssql/connection.ts";
import { applyMigrations } from "../../src/lib/store/mssql/migrate.ts";
import { storeOver } from "../../src/lib/store/mssql/open.ts";
import { connectPool, poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import type { Store, StoreSettings } from "../../src/lib/store/store.ts";
import { admitApp, appPool, dropLogin, makeLogin } from "./app-principal.ts";
import type { MovableClock } from "./sqlite-under-test.ts";
import { CALM_SETTINGS, type StoreUnderTest } from "./store-under-test.ts";

/** The Azure SQL store on a real server, each on a database of its own that is made by the migrations. */

/** Settings under which a server process uses a database of the server under test. */
export function serverEnvironment(database: string): Record<string, string> {
  return {
    AGENT_COMMUNICATION_MODE: "sql",
    AGENT_AUTH_MODE: "none",
    AZURE_SQL_DATABASE: database,
    AZURE_SQL_TEST_SERVER: "on",
  };
}

/** How a store reaches a database of the server under test. @throws Error naming every bad setting */
export function testSettings(database: string): SqlSettings {
  const read = readSqlSettings({ ...process.env, ...serverEnvironment(database) });
  if ("problems" in read) throw new Error(read.problems.join("; "));
  return read.settings;
}

/** A pool of the test's own. */
export async function testPool(database: string): Promise<mssql.ConnectionPool> {
  return connectPool(await poolConfig(testSettings(database), systemClock));
}

/** One pool per database for everything that tests do to it: a new connection costs such a server more than a batch. */
const pools = new Map<string, Promise<mssql.ConnectionPool>>();

function sharedPool(database: string): Promise<mssql.ConnectionPool> {
  const known = pools.get(database) ?? testPool(database);
  pools.set(database, known);
  return known;
}

/** The same for the stores under test: they run as the app does. (Babelfish has no rights by procedures; there, as the tests.) */
const storePools = new Map<string, Promise<mssql.ConnectionPool>>();

function storePool(database: string): Promise<mssql.ConnectionPool> {
  return storePools.get(database) ?? sharedPool(database);
}

/** The login of the app, made for the first database. */
let login: Promise<void> | undefined;

async function letAppIn(database: string): Promise<void> {
  login ??= onServer("master", makeLogin);
  await login;
  await onServer(database, admitApp);
  storePools.set(database, appPool(testSettings(database)));
}

/** Databases that a closed store has left, emptied: making one takes a second. */
const free: string[] = [];
const made: string[] = [];
/** Test files that one process runs one after the other: the sessions of the last one may still hold its databases. */
const run = (Date.now() % 1_000_000).toString(36);

async function onServer<T>(database: string, act: (pool: mssql.ConnectionPool) => Promise<T>): Promise<T> {
  return act(await sharedPool(database));
}

/** Whether the server is Babelfish for PostgreSQL: it speaks T-SQL, but ignores lock hints and has no locks to look at. */
export async function isBabelfish(): Promise<boolean> {
  return onServer("master", async (pool) => {
    const { recordset } = await pool.request().query("SELECT @@VERSION AS version");
    return String(recordset[0]?.version).startsWith("Babelfish");
  });
}

/** What Azure SQL has on by default. */
async function setLikeAzure(pool: mssql.ConnectionPool, database: string): Promise<void> {
  for (const option of ["READ_COMMITTED_SNAPSHOT", "ACCELERATED_DATABASE_RECOVERY", "OPTIMIZED_LOCKING"]) {
    const set = option === "READ_COMMITTED_SNAPSHOT" ? "ON" : "= ON";
    await pool.request().batch(`ALTER DATABASE ${database} SET ${option} ${set} WITH ROLLBACK IMMEDIATE`);
  }
}

/** There each session takes a block of a sequence's cache for itself, so that numbers are not in the order of taking. */
async function countInOrder(pool: mssql.ConnectionPool): Promise<void> {
  await pool.request().batch("ALTER SEQUENCE dbo.message_arrivals CACHE 1");
  await pool.request().batch("ALTER SEQUENCE dbo.task_numbers CACHE 1");
}

/** Tests move the time of the store, not that of the server, by which the audit's procedure judges what is old enough. */
async function forgetSoon(pool: mssql.ConnectionPool): Promise<void> {
  await pool.request().batch("UPDATE audit.policy SET floor_days = -36500");
}

/** A migrated, empty database of this process. */
export async function takeDatabase(): Promise<string> {
  const known = free.pop();
  if (known !== undefined) return known;
  const name = `agent_communication_test_${process.pid}_${run}_${made.length}`;
  made.push(name);
  await onServer("master", async (pool) => {
    await dropped(pool, name);
    await insist(() => pool.request().batch(`CREATE DATABASE ${name}`));
  });
  const babelfish = await isBabelfish();
  if (!babelfish) await onServer("master", (pool) => setLikeAzure(pool, name));
  await onServer(name, (pool) => applyMigrations(pool));
  await onServer(name, forgetSoon);
  if (babelfish) await onServer(name, countInOrder);
  else await letAppIn(name);
  return name;
}

/** Children first. A table that is missing here keeps rows of one test for the next (a test compares it with the migrations). */
export const EMPTIED_TABLES = [
  "audit.dropped_blocks",
  "audit.block_entries",
  "audit.blocks",
  "audit.entries",
  ...[
    "message_payloads",
    "messages",
    "ordering_keys",
    "channel_grants",
    "channel_members",
    "channels",
    "task_events",
    "task_attempts",
    "task_dependencies",
    "ended_dependencies",
    "ended_parents",
    "reopened_tasks",
    "usage_hours",
    "task_outcomes",
    "task_bodies",
    "workflow_tasks",
    "tasks",
    "workflows",
    "schedules",
    "task_archive",
    "credentials",
    "agent_metadata",
    "agent_heartbeats",
    "agent_loads",
    "agents",
    "demand_sets",
    "set_capabilities",
    "demands",
    "capability_sets",
    "message_types",
    "operation_answers",
  ].map((table) => `dbo.${table}`),
];

/** Empties the database and keeps it for the next store. */
export async function giveBack(database: string): Promise<void> {
  await onServer(database, async (pool) => {
    const deletes = EMPTIED_TABLES.map((table) => `DELETE FROM ${table};`).join("\n");
    await pool.request().batch(
      `${deletes}
      DELETE FROM dbo.counters WHERE name LIKE 'mailbox:%' OR name LIKE 'set:%' OR name LIKE 'accepted:%';
      UPDATE dbo.counters SET value = 0;
      UPDATE dbo.usage_totals SET input_tokens = 0, output_tokens = 0, cache_read_tokens = 0, cache_write_tokens = 0, reasoning_tokens = 0,
        cost_micros = 0;`,
    );
  });
  free.push(database);
}

/** Making and dropping databases is refused while others do, or while closed sessions still linger. */
const TRIES = 50;
const WAIT_MILLISECONDS = 200;

export async function insist(act: () => Promise<unknown>): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    try {
      await act();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await systemClock.sleep(WAIT_MILLISECONDS);
    }
  }
}

const dropped = (pool: mssql.ConnectionPool, database: string) =>
  insist(() => pool.request().batch(`DROP DATABASE IF EXISTS ${database}`));

/** Drops every database that this process made, and closes all pools. */
export async function dropDatabases(): Promise<void> {
  const master = await sharedPool("master");
  pools.delete("master");
  for (const pool of [...pools.values(), ...storePools.values()]) await (await pool).close();
  pools.clear();
  storePools.clear();
  try {
    for (const database of made.splice(0)) await dropped(master, database);
    if (login !== undefined) await dropLogin(master);
    login = undefined;
  } finally {
    free.length = 0;
    await master.close();
  }
}

/** A store on a database of the server under test. */
export function openOn(
  database: string,
  settings: Partial<StoreSettings> = {},
  clock: MovableClock = new OffsetClock(),
  onFault: (error: unknown) => void = () => {},
): Store {
  const openPool = () => storePool(database);
  const all = { ...CALM_SETTINGS, ...settings };
  return storeOver(new Connection({ openPool, keepPool: true, settings: all, clock, onFault }));
}

/** The store on an empty database. */
export async function openMssqlUnderTest(
  settings: Partial<StoreSettings> = {},
  clock: MovableClock = new OffsetClock(),
): Promise<StoreUnderTest> {
  const database = await takeDatabase();
  const open = () => openOn(database, settings, clock);
  let store = open();
  return {
    get store() {
      return store;
    },
    clock,
    async reopen() {
      await store.close();
      store = open();
    },
    async close() {
      await store.close();
      await giveBack(database);
    },
  };
}
