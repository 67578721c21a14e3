import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { EMPTY_ALL } from "../../../src/lib/store/mssql/install-release.ts";
import { applyMigrations } from "../../../src/lib/store/mssql/migrate.ts";
import { readRelease, type Slot } from "../../../src/lib/store/mssql/procedure-files.ts";
import { dropDatabases, openOn, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { rowsOf, runScript } from "./databases.ts";

/** Releases of the procedures side by side: which slot is filled, and what a process says whose release is not there. */

const { hash } = readRelease();
const HOUR = 3_600_000;

describe("releases", () => {
  let database = "";
  let pool: mssql.ConnectionPool;

  beforeAll(async () => {
    database = await takeDatabase();
    pool = await testPool(database);
  });
  afterAll(async () => {
    await pool?.close();
    await dropDatabases();
  });

  /** What stands where, as if it had been in use so many hours ago; another hash is that of another version. */
  async function standing(uses: Partial<Record<Slot, [string, number]>>): Promise<void> {
    await runScript(database, "DELETE FROM dbo.releases");
    for (const [slot, [name, hours]] of Object.entries(uses)) {
      const insert = `INSERT INTO dbo.releases (slot, hash, made_at, in_use_at)
        SELECT '${slot}', '${name}', x.at, x.at FROM (SELECT DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) - ${hours * HOUR} AS at) AS x`;
      expect(await runScript(database, insert)).toEqual([]);
    }
  }

  const migrate = async (slot?: Slot): Promise<string | undefined> => {
    const said: string[] = [];
    await applyMigrations(pool, ({ name, outcome }) => said.push(`${name}: ${outcome}`), { slot });
    return said.at(-1);
  };
  const slots = () => rowsOf(database, "SELECT r.slot, r.hash FROM dbo.releases AS r ORDER BY r.slot");

  it("go into an empty slot first", async () => {
    await standing({ release_a: ["older", 0] });
    expect(await migrate()).toBe(`procedures ${hash} in release_b: applied`);
    expect(await migrate()).toBe(`procedures ${hash} in release_b: already applied`);
    expect(await slots()).toEqual(["release_a older", `release_b ${hash}`]);
  });

  it("replace what has been out of use for longest", async () => {
    await standing({ release_a: ["older", 1], release_b: ["oldest", 60], release_c: ["old", 30] });
    expect(await migrate()).toBe(`procedures ${hash} in release_b: applied`);
    expect(await slots()).toEqual(["release_a older", `release_b ${hash}`, "release_c old"]);
  });

  it("replace nothing that was in use within a day, unless the slot is named", async () => {
    await standing({ release_a: ["older", 1], release_b: ["oldest", 23], release_c: ["old", 2] });
    await expect(migrate()).rejects.toThrow(
      /^every slot has a release that was in use within a day: .*--replace release_b$/,
    );
    expect(await slots()).toEqual(["release_a older", "release_b oldest", "release_c old"]);
    expect(await migrate("release_c")).toBe(`procedures ${hash} in release_c: applied`);
  });

  it("that are taken away while a process uses them are 503 with the command, and come back in another slot", async () => {
    await standing({});
    await runScript(database, EMPTY_ALL.join("\nGO\n"));
    await migrate("release_a");
    const store = openOn(database);
    await store.registerAgent({ agentId: "a", role: "worker", capabilities: [], maxConcurrentTasks: 1 });
    expect(await runScript(database, EMPTY_ALL.join("\nGO\n"))).toEqual([]);
    await expect(store.getAgent("a")).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringMatching(new RegExp(`${hash}.*npm run migrate`)),
    });
    await migrate("release_c");
    await expect(store.getAgent("a")).resolves.toMatchObject({ agentId: "a" });
    await store.close();
  });

  it("are said to be in use when a process connects", async () => {
    await standing({ release_c: [hash, 30] });
    const store = openOn(database);
    await store.listAgents({ limit: 1 });
    await store.close();
    const [used] = await rowsOf(
      database,
      `SELECT CASE WHEN r.in_use_at > DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) - ${HOUR}
      THEN 'now' ELSE 'long ago' END AS used FROM dbo.releases AS r WHERE r.slot = 'release_c'`,
    );
    expect(used).toBe("now");
  });
});
