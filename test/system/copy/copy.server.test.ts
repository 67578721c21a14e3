import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { systemClock } from "../../../src/lib/model/clock.ts";
import type { CopiedTable } from "../../../src/lib/store/copy/copied-rows.ts";
import { copyStore } from "../../../src/lib/store/copy/copy-store.ts";
import { openCopyTarget } from "../../../src/lib/store/mssql/copy-target.ts";
import { openCopySource } from "../../../src/lib/store/sqlite/copy-source.ts";
import {
  dropDatabases,
  serverEnvironment,
  takeDatabase,
  testPool,
  testSettings,
} from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { eventually } from "../../contract/support.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { recount } from "../../support/recount.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { runFile } from "../../support/run-process.ts";
import { startTdsProxy } from "../../support/tds-proxy.ts";
import { type Dump, dumpMssql, dumpSqlite } from "./dumps.ts";
import { fillSource } from "./filled-source.ts";

/** `copy` from a file in which everything is in every state to databases of a real server. */

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const WORDS = ["copy", "--from", "mock", "--to", "sql"];
/** Several transactions of messages, so that there is a middle to be killed in. */
const MESSAGES = 3_000;

let folder = "";
let file = "";
let expected: Dump;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-copy-"));
  file = join(folder, "agents.db");
  await fillSource(file, { leased: true, messages: MESSAGES, encrypted: true });
  expect(recount(file)).toEqual([]);
  expected = await dumpSqlite(file);
}, 900_000);

afterAll(async () => {
  await dropDatabases();
  await rm(folder, { recursive: true, force: true });
});

const environmentOf = (database: string) => ({ ...serverEnvironment(database), AGENT_MOCK_DATABASE: file });
const ALL = ["--include-leased", "--include-encrypted"];
const copy = (database: string, words: readonly string[] = ALL) =>
  runFile("src/cli/main.ts", [...WORDS, ...words], { environment: environmentOf(database), milliseconds: 240_000 });

/** An empty database and a connection to it, for the tests of a describe. */
function useTarget(): { readonly database: string; readonly pool: mssql.ConnectionPool } {
  let database = "";
  let pool: mssql.ConnectionPool | undefined;
  beforeAll(async () => {
    database = await takeDatabase();
    pool = await testPool(database);
  }, 900_000);
  afterAll(() => pool?.close());
  return {
    get database() {
      return database;
    },
    get pool() {
      if (pool === undefined) throw new Error("only while tests run");
      return pool;
    },
  };
}

const count = async (pool: mssql.ConnectionPool, table: string) =>
  Number((await pool.request().query(`SELECT COUNT(*) AS n FROM dbo.${table}`)).recordset[0]?.n);

describe("a copy", () => {
  const target = useTarget();

  it("is refused while leases are live, and has written nothing", async () => {
    const { code, error } = await copy(target.database, []);
    expect([code, error]).toEqual([1, expect.stringContaining("5 leased messages and 3 assigned or running tasks")]);
    expect(await count(target.pool, "agents")).toBe(0);
  }, 900_000);

  it("says what it took, a line for each kind", async () => {
    const { code, out, error } = await copy(target.database);
    expect([code, error]).toEqual([0, ""]);
    const lines = out
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(lines).toEqual([
      ["message types", "2"],
      ["agents", "10"],
      ["credentials", String(expected.credentials.length)],
      ["mailboxes of channels", "3"],
      ["channels", "2"],
      ["workflows", "2"],
      ["tasks", String(expected.tasks.length)],
      ["waits of tasks", "6"],
      ["events of tasks", String(expected.events.length)],
      ["ended dependencies", "1"],
      ["archived tasks", "4"],
      ["hours of usage", String(expected.usageHours.length)],
      ["values of archived tasks", "0"],
      ["schedules", "1"],
      ["open messages", String(expected.messages.length)],
    ]);
  }, 900_000);

  it("has taken everything, in its order, with leases, attempts, holds and outcomes", async () => {
    const there = await dumpMssql(target.pool);
    for (const table of Object.keys(expected) as (keyof Dump)[])
      expect([table, there[table]]).toEqual([table, expected[table]]);
  });

  it("counts what it took: every counter equals its rows", async () => {
    expect(await recountMssql(target.pool, { copied: true })).toEqual([]);
  });

  it("leaves the source as it was", async () => {
    expect(await dumpSqlite(file)).toEqual(expected);
    expect(recount(file)).toEqual([]);
  });

  it("once more takes nothing, and changes nothing", async () => {
    const { code, out, error } = await copy(target.database, [...ALL, "--json"]);
    expect([code, error]).toEqual([0, ""]);
    const report: { copied: { kind: string; copied: number; present: number }[] } = JSON.parse(out);
    expect(report.copied.map(({ copied }) => copied)).toEqual(report.copied.map(() => 0));
    expect(report.copied.find(({ kind }) => kind === "open messages")?.present).toBe(expected.messages.length);
    expect(await dumpMssql(target.pool)).toEqual(expected);
    expect(await recountMssql(target.pool, { copied: true })).toEqual([]);
  }, 900_000);
});

describe("a copy that is killed", () => {
  const target = useTarget();

  /** Runs a copy until `reached`, and kills it there. @returns what it had printed */
  async function killWhen(reached: (printed: string) => boolean | Promise<boolean>): Promise<string> {
    const child: ChildProcess = childOfTest(
      spawn(process.execPath, [`${ROOT}src/cli/main.ts`, ...WORDS, ...ALL], {
        cwd: ROOT,
        env: { ...process.env, ...environmentOf(target.database) },
        stdio: ["ignore", "pipe", "inherit"],
      }),
    );
    let printed = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    const closed = once(child, "close");
    await eventually(() => child.exitCode !== null || reached(printed), 120_000);
    child.kill("SIGKILL");
    await closed;
    return printed;
  }

  it("has left whole transactions: every counter equals its rows, and no message is before its agents and tasks", async () => {
    const places: ((printed: string) => boolean | Promise<boolean>)[] = [
      (printed) => printed.includes("message types"),
      async () => (await count(target.pool, "tasks")) > 0,
      async () => (await count(target.pool, "messages")) > 0,
      async () => (await count(target.pool, "messages")) > MESSAGES / 2,
    ];
    for (const place of places) {
      expect(await killWhen(place)).not.toContain("open messages");
      // The server may still be ending what the killed process had sent last.
      await eventually(async () => (await recountMssql(target.pool, { copied: true })).length === 0, 30_000);
    }
    expect(await count(target.pool, "messages")).toBeLessThan(expected.messages.length);
  }, 900_000);

  it("goes on where it was, to the same end", async () => {
    const { code, out, error } = await copy(target.database);
    expect([code, error]).toEqual([0, ""]);
    expect(out).toMatch(/^open messages +\d+, \d+ were there$/m);
    expect(await dumpMssql(target.pool)).toEqual(expected);
    expect(await recountMssql(target.pool, { copied: true })).toEqual([]);
  }, 900_000);
});

describe("a copy that loses the answer to everything it writes", () => {
  const target = useTarget();

  it("ends the same: what was written is found, and not written again", async () => {
    const { server, port } = testSettings(target.database);
    const proxy = await startTdsProxy(server, port);
    const sql = { ...testSettings(target.database), server: "127.0.0.1", port: proxy.port };
    const source = openCopySource(file, systemClock);
    const { tables, ...rest } = openCopyTarget({ sql, settings: CALM_SETTINGS, clock: systemClock });
    let pages = 0;
    function losing<Row>({ find, add }: CopiedTable<Row>): CopiedTable<Row> {
      const loseAndAdd = (rows: readonly Row[]) => {
        pages += 1;
        proxy.loseAnswer();
        return add(rows);
      };
      return { find, add: loseAndAdd };
    }
    const {
      messageTypes,
      agents,
      credentials,
      channelMailboxes,
      channels,
      tasks,
      taskEvents,
      endedDependencies,
      archivedTasks,
      usageHours,
      workflows,
      waits,
      archivedValues,
      schedules,
      messages,
    } = tables;
    const all = {
      ...{
        messageTypes: losing(messageTypes),
        agents: losing(agents),
        credentials: losing(credentials),
        channelMailboxes: losing(channelMailboxes),
        channels: losing(channels),
        tasks: losing(tasks),
        messages: losing(messages),
      },
      ...{
        taskEvents: losing(taskEvents),
        endedDependencies: losing(endedDependencies),
        archivedTasks: losing(archivedTasks),
        usageHours: losing(usageHours),
      },
      ...{
        workflows: losing(workflows),
        waits: losing(waits),
        archivedValues: losing(archivedValues),
        schedules: losing(schedules),
      },
    };
    try {
      await copyStore(source, { ...rest, tables: all }, { includeLeased: true, includeEncrypted: true });
    } finally {
      source.close();
      await rest.close();
      await proxy.close();
    }
    expect([pages > 8, proxy.lost()]).toEqual([true, pages]);
    expect(await dumpMssql(target.pool)).toEqual(expected);
    expect(await recountMssql(target.pool, { copied: true })).toEqual([]);
  }, 900_000);
});

describe("a target", () => {
  const target = useTarget();
  const other = (sql: string) => target.pool.request().batch(sql);

  it("that has another agent of an id is refused, and nothing is added to it", async () => {
    await other(`INSERT INTO dbo.capability_sets (capabilities_hash, capabilities) VALUES ('other', N'["cook"]');
      INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
      SELECT 'chief', 'worker', 'active', set_no, 1, 1 FROM dbo.capability_sets;
      INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
      SELECT agent_no, agent_id, set_no, 1, 1 FROM dbo.agents;
      INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, beating) SELECT agent_no, 1, 1 FROM dbo.agents;`);
    const { code, error } = await copy(target.database);
    expect(code).toBe(1);
    expect(error).toBe(
      `error: the agent chief is in ${target.database} on ${process.env.AZURE_SQL_SERVER} with different content (role worker there, admin here): copy into a database that holds nothing else and that no process serves yet\n`,
    );
    expect(await count(target.pool, "agents")).toBe(1);
    await other("DELETE FROM dbo.agents; DELETE FROM dbo.capability_sets;");
  }, 900_000);

  it("in which a message of ours has gone on is refused; so is one whose key another message has", async () => {
    expect((await copy(target.database)).code).toBe(0);
    await other("UPDATE dbo.messages SET attempt = 7 WHERE message_id = 'low'");
    expect((await copy(target.database)).error).toContain("the message low is in");
    await other("UPDATE dbo.messages SET attempt = 0 WHERE message_id = 'low'");
    await other("UPDATE dbo.messages SET message_id = 'renamed' WHERE message_id = 'keyed'");
    const { code, error } = await copy(target.database);
    expect([code, error]).toEqual([1, expect.stringContaining("(message_id renamed there, keyed here)")]);
  }, 900_000);

  it("that has a message which the file has no more is refused", async () => {
    await other("UPDATE dbo.messages SET message_id = 'keyed' WHERE message_id = 'renamed'");
    await other(`INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
        accepted_at, available_at, payload_bytes)
      SELECT 1, 'unknown', agent_no, 'notification', 1, 'queued', 5, 5, 1, 1, 4 FROM dbo.agents WHERE agent_id = 'post'`);
    const { code, error } = await copy(target.database);
    const ours = expected.messages.filter(({ receiver }) => receiver === "post").length;
    expect([code, error]).toEqual([
      1,
      expect.stringContaining(`has ${ours + 1} messages for the agent post and 0 tasks of it`),
    ]);
  }, 900_000);

  it("in which a task of ours has gone on is refused; so is one that is in the archive there", async () => {
    await other("UPDATE dbo.tasks SET attempt = 9 WHERE task_id = 'pending'");
    const { code, error } = await copy(target.database);
    expect([code, error]).toEqual([1, expect.stringContaining("the task pending is in")]);
    await other("UPDATE dbo.tasks SET attempt = 0 WHERE task_id = 'pending'");
    await other("UPDATE dbo.task_archive SET task_id = 'completed' WHERE task_id = 'archived-1'");
    expect((await copy(target.database)).error).toContain("(archived 1 there, 0 here)");
  }, 900_000);

  it("that was not migrated is refused, with what to do", async () => {
    const { code, error } = await copy("master");
    expect([code, error]).toEqual([
      1,
      expect.stringMatching(
        /^error: master on \S+: The database does not have the procedures of this release .*npm run migrate.*\n$/,
      ),
    ]);
  }, 900_000);
});
