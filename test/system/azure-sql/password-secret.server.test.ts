import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { openMssqlStore } from "../../../src/lib/store/mssql/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import {
  dropDatabases,
  giveBack,
  isBabelfish,
  serverEnvironment,
  takeDatabase,
  testSettings,
} from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { KeyVaultServer } from "../../support/key-vault-server.ts";
import { startTdsProxy, type TdsProxy } from "../../support/tds-proxy.ts";
import { runScript } from "./databases.ts";

/** The SQL login's password as a secret of a key vault, rotated under a running process. */

const script = (name: string) => readFileSync(new URL(`../../../infra/sql/${name}.sql`, import.meta.url), "utf8");

const LOGIN = `agent_communication_secret_${process.pid}`;
const SECRET = "sql-password";
const MINUTE = 60_000;
const newPassword = () => `Aa1!${randomBytes(12).toString("hex")}`;

describe("a password in a key vault", () => {
  let database = "";
  let proxy: TdsProxy;
  let vault: KeyVaultServer;
  let distrust: () => void;
  let clock: OffsetClock;
  let password = "";
  const stores: Store[] = [];

  beforeAll(async () => {
    database = await takeDatabase();
    const { server, port } = testSettings(database);
    proxy = await startTdsProxy(server, port);
    password = newPassword();
    expect(await runScript("master", `CREATE LOGIN ${LOGIN} WITH PASSWORD = '${password}'`)).toEqual([]);
    await runScript(database, script("roles"));
    const variables = { principal: LOGIN, password, role: "agent_communication_app" };
    expect(await runScript(database, script("sql-principal"), variables)).toEqual([]);
    if (await isBabelfish())
      await runScript(database, `GRANT SELECT ON dbo.schema_migrations TO agent_communication_app`);
  }, 900_000);
  afterAll(async () => {
    await proxy?.close();
    await runScript(database, `DROP USER IF EXISTS ${LOGIN}`);
    await giveBack(database);
    await dropDatabases();
    expect(await runScript("master", `DROP LOGIN ${LOGIN}`)).toEqual([]);
  }, 900_000);

  beforeEach(async () => {
    vault = await KeyVaultServer.start();
    distrust = vault.trustHere();
    clock = new OffsetClock();
    vault.add(SECRET, password);
  });
  afterEach(async () => {
    await proxy.comeBack();
    for (const store of stores.splice(0)) await store.close();
    distrust();
    await vault.stop();
  });

  /** A store of another process that logs in with what is in the vault. */
  function open(): Store {
    const { sql } = readConfig({
      ...serverEnvironment(database),
      AZURE_SQL_SERVER: "127.0.0.1",
      AZURE_SQL_PORT: String(proxy.port),
      AZURE_SQL_USERNAME: LOGIN,
      AZURE_SQL_PASSWORD_SECRET: SECRET,
      AZURE_KEY_VAULT_URL: vault.url,
    });
    if (sql === undefined) throw new Error("mode sql has settings");
    const store = openMssqlStore({ sql, settings: CALM_SETTINGS, clock });
    stores.push(store);
    return store;
  }

  const ask = (store: Store) => store.listAgents({ limit: 1 });

  /** Ends every connection: the next call has to log in again. */
  async function cut(): Promise<void> {
    await proxy.leave();
    await proxy.comeBack();
  }

  async function rotate({ inVault = true } = {}): Promise<void> {
    password = newPassword();
    expect(await runScript("master", `ALTER LOGIN ${LOGIN} WITH PASSWORD = '${password}'`)).toEqual([]);
    if (inVault) vault.add(SECRET, password);
  }

  async function refusal(store: Store): Promise<{ code?: unknown; message?: unknown }> {
    return ask(store).then(
      () => ({ code: "accepted" }),
      (error: unknown) => error as { code?: unknown; message?: unknown },
    );
  }

  it("logs in, and is read once by all connections", async () => {
    const store = open();
    await Promise.all(Array.from({ length: 8 }, () => ask(store)));
    await cut();
    await ask(store);
    expect(vault.asked).toEqual([`/secrets/${SECRET}/`]);
  }, 900_000);

  it("that is rotated is picked up by the next login, and no call sees it", async () => {
    const store = open();
    await ask(store);
    await rotate();
    clock.advance(3_000);
    // Connections that there are go on.
    await ask(store);
    await cut();
    await Promise.all(Array.from({ length: 8 }, () => ask(store)));
    expect(vault.asked).toHaveLength(2);
  }, 900_000);

  it("that is rotated is picked up some minutes later, without any refusal", async () => {
    const store = open();
    await ask(store);
    vault.add(SECRET, password);
    clock.advance(6 * MINUTE);
    await cut();
    await ask(store);
    await cut();
    await ask(store);
    expect(vault.asked).toHaveLength(2);
  }, 900_000);

  it("that the vault does not have yet is STORE_UNAVAILABLE until it has it", async () => {
    const store = open();
    await ask(store);
    await rotate({ inVault: false });
    clock.advance(3_000);
    await cut();
    expect(await refusal(store)).toMatchObject({ code: "STORE_UNAVAILABLE" });
    vault.add(SECRET, password);
    clock.advance(3_000);
    await ask(store);
  }, 900_000);

  it("with the vault away at the start is STORE_UNAVAILABLE until it is back", async () => {
    vault.away = true;
    const store = open();
    const away = await refusal(store);
    expect(away).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(away.message).toContain("key vault");
    expect(await store.checkHealth()).toMatchObject({ databaseConnection: false });
    vault.away = false;
    await ask(store);
    expect(await store.checkHealth()).toMatchObject({ databaseConnection: true });
  }, 900_000);

  it("with the vault away later goes on with what is known", async () => {
    const store = open();
    await ask(store);
    vault.away = true;
    clock.advance(6 * MINUTE);
    await cut();
    await ask(store);
  }, 900_000);

  it("that is disabled, or not there, is named", async () => {
    vault.add(SECRET, "newer", { enabled: false });
    expect((await refusal(open())).message).toContain(`no enabled secret ${SECRET}`);
  }, 900_000);
});
