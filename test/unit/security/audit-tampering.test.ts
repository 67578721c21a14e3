import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { type BlockHeader, hashBlock, hashEntry } from "../../../src/lib/security/audit-chain.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

/** Somebody changes the database file, while it is served or not: `audit verify` finds it and says where. */

const TABLES = ["audit_entries", "audit_blocks", "audit_block_entries", "audit_dropped_blocks"];
const BLOCKS = 4;
const ENTRIES_PER_BLOCK = 3;

/** Blocks 1 to 4 of three entries each, numbers 1 to 12. */
async function fill(file: string): Promise<void> {
  const clock = new OffsetClock();
  const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
  for (let block = 0; block < BLOCKS; block++) {
    const entry = { action: "request.refused", subjectKind: "request", subjectId: "FORBIDDEN" } as const;
    const count = (n: number) => ({ ...entry, actor: `agent-${n}`, detail: { count: n } });
    await store.recordAudit(Array.from({ length: ENTRIES_PER_BLOCK }, (_, n) => count(n)));
    clock.advance(120_000);
    await store.sweep();
  }
  await store.close();
}

type Rows = Record<string, SQLInputValue>[];

/** The file, opened by somebody who knows what protects it. */
class Intruder {
  readonly #database: DatabaseSync;
  readonly #before: readonly (readonly [string, Rows])[];

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { enableForeignKeyConstraints: false });
    const triggers = this.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'audit%'");
    for (const { name } of triggers) this.run(`DROP TRIGGER ${name}`);
    this.#before = TABLES.map((table) => [table, this.rows(`SELECT * FROM ${table}`)] as const);
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#database.prepare(sql).run(...values);
  }

  rows(sql: string): Rows {
    return this.#database.prepare(sql).all();
  }

  /** Puts every table back as it was. */
  restore(): void {
    for (const [table, rows] of this.#before) {
      this.run(`DELETE FROM ${table}`);
      for (const row of rows) {
        const places = Object.keys(row).map(() => "?");
        this.run(`INSERT INTO ${table} VALUES (${places.join(", ")})`, ...Object.values(row));
      }
    }
  }

  /** Computes the hashes of entries, and of blocks from `first` on, so that the file is sound in itself. */
  seal(first: number): void {
    for (const row of this.rows(`SELECT * FROM audit_blocks WHERE block_no >= ${first} ORDER BY block_no`)) {
      const [previous] = this.rows(`SELECT hash FROM audit_blocks WHERE block_no = ${Number(row.block_no) - 1}`);
      const entries = this.rows(`SELECT e.* FROM audit_block_entries m JOIN audit_entries e USING (entry_no)
        WHERE m.block_no = ${row.block_no} ORDER BY e.entry_no`);
      const hashes = entries.map((entry) => [Number(entry.entry_no), hashEntry(entryOf(entry))] as const);
      for (const [no, hash] of hashes) this.run("UPDATE audit_block_entries SET hash = ? WHERE entry_no = ?", hash, no);
      const previousHash = String(previous?.hash ?? row.previous_hash);
      const hash = hashBlock(
        headerOf({ ...row, previous_hash: previousHash }),
        hashes.map(([, one]) => one),
      );
      const sql = "UPDATE audit_blocks SET previous_hash = ?, hash = ? WHERE block_no = ?";
      this.run(sql, previousHash, hash, row.block_no ?? 0);
    }
  }

  /** Takes the entries of blocks, and marks these as retention does. */
  drop(blocks: readonly number[], at = Date.now()): void {
    for (const no of blocks) {
      const [first, last] = [ENTRIES_PER_BLOCK * (no - 1) + 1, ENTRIES_PER_BLOCK * no];
      for (const table of ["audit_entries", "audit_block_entries"])
        this.run(`DELETE FROM ${table} WHERE entry_no BETWEEN ? AND ?`, first, last);
      this.run("INSERT INTO audit_dropped_blocks VALUES (?, ?)", no, at);
    }
  }

  close(): void {
    this.#database.close();
  }
}

const iso = (milliseconds: unknown) => new Date(Number(milliseconds)).toISOString();

function entryOf(row: Record<string, SQLInputValue>) {
  return {
    entryNo: Number(row.entry_no),
    at: iso(row.at),
    actor: String(row.actor),
    action: String(row.action),
    subjectKind: String(row.subject_kind),
    subjectId: String(row.subject_id),
    detail: JSON.parse(String(row.detail)),
  };
}

function headerOf(row: Record<string, SQLInputValue>): BlockHeader {
  return {
    blockNo: Number(row.block_no),
    firstEntryNo: Number(row.first_entry_no),
    lastEntryNo: Number(row.last_entry_no),
    entryCount: Number(row.entry_count),
    newestAt: iso(row.newest_at),
    sealedAt: iso(row.sealed_at),
    floorNo: Number(row.floor_no),
    previousHash: String(row.previous_hash),
  };
}

const INSERT = "INSERT INTO audit_entries VALUES (?, 1, 'x', 'agent.changed', 'agent', 'y', '{}')";
const ITSELF = "the block itself or the hashes of its entries were changed";

/** What is done to the file, and every line that is found. */
const TAMPERING: readonly { name: string; act(file: Intruder): void; found: (string | RegExp)[]; args?: string[] }[] = [
  {
    name: "an entry's actor is changed",
    act: (file) => file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 5"),
    found: ["block 2, entry 5: was changed"],
  },
  {
    name: "an entry's detail is changed by one digit",
    act: (file) => file.run(`UPDATE audit_entries SET detail = '{"count":9}' WHERE entry_no = 12`),
    found: ["block 4, entry 12: was changed"],
  },
  {
    name: "entries become such that are none: no JSON, no detail, no time",
    act(file) {
      file.run("UPDATE audit_entries SET detail = '{bad' WHERE entry_no = 2");
      file.run("UPDATE audit_entries SET detail = '[1]' WHERE entry_no = 5");
      file.run("UPDATE audit_entries SET at = 9000000000000000 WHERE entry_no = 8");
    },
    found: ["block 1, entry 2: was changed", "block 2, entry 5: was changed", "block 3, entry 8: was changed"],
  },
  {
    name: "an entry is given a time that no process can read",
    act(file) {
      file.run("UPDATE audit_entries SET at = 1152921504606846976 WHERE entry_no = 5");
      file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 12");
    },
    found: ["block 2, entry 5: was changed", "block 4, entry 12: was changed"],
  },
  {
    name: "a block is given numbers and times that no process can read",
    act(file) {
      file.run("UPDATE audit_blocks SET newest_at = 1152921504606846976 WHERE block_no = 2");
      file.run("UPDATE audit_blocks SET floor_no = -1152921504606846976 WHERE block_no = 3");
    },
    found: [`block 2: ${ITSELF}`, `block 3: ${ITSELF}`],
  },
  {
    name: "a drop that is marked with a time beyond all times",
    act: (file) => file.drop([1], 9_000_000_000_000_000),
    found: ["block 1: was dropped at +275760-09-13T00:00:00.000Z, which is in the future"],
  },
  {
    name: "two entries change places",
    act(file) {
      for (const [from, to] of [
        [4, 100],
        [5, 4],
        [100, 5],
      ] as const)
        file.run("UPDATE audit_entries SET entry_no = ? WHERE entry_no = ?", to, from);
    },
    found: ["block 2, entry 4: was changed", "block 2, entry 5: was changed"],
  },
  {
    name: "an entry is deleted",
    act: (file) => file.run("DELETE FROM audit_entries WHERE entry_no = 8"),
    found: ["block 3, entry 8: is missing"],
  },
  {
    name: "an entry is deleted with its place in the block",
    act(file) {
      file.run("DELETE FROM audit_entries WHERE entry_no = 8");
      file.run("DELETE FROM audit_block_entries WHERE entry_no = 8");
    },
    found: ["block 3: has 2 entries, 3 were sealed", `block 3: ${ITSELF}`],
  },
  {
    name: "an entry is inserted before the others",
    act: (file) => file.run(INSERT, -7),
    found: ["block 1, entry -7: was inserted: it belongs to no block"],
  },
  {
    name: "an entry is inserted and given a place in a block that does not hold its number",
    act(file) {
      file.run(INSERT, 0);
      file.run("INSERT INTO audit_block_entries VALUES (0, 3, ?)", "0".repeat(64));
    },
    found: ["block 1, entry 0: was inserted: it belongs to no block"],
  },
  {
    name: "an entry moves from one block to another",
    act: (file) => file.run("UPDATE audit_block_entries SET block_no = 3 WHERE entry_no = 6"),
    found: [
      "block 2, entry 6: was inserted: it belongs to no block",
      "block 2: has 2 entries, 3 were sealed",
      `block 2: ${ITSELF}`,
    ],
  },
  {
    name: "an entry is changed and its hash, too",
    act(file) {
      file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 5");
      const [row] = file.rows("SELECT * FROM audit_entries WHERE entry_no = 5");
      file.run("UPDATE audit_block_entries SET hash = ? WHERE entry_no = 5", hashEntry(entryOf(row ?? {})));
    },
    found: [`block 2: ${ITSELF}`],
  },
  {
    name: "the time of a block is changed",
    act: (file) => file.run("UPDATE audit_blocks SET sealed_at = sealed_at + 1 WHERE block_no = 3"),
    found: [`block 3: ${ITSELF}`],
  },
  {
    name: "a block is sealed anew after a change, and the chain is not",
    act(file) {
      file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 5");
      file.seal(2);
      const [row] = file.rows("SELECT hash FROM audit_blocks WHERE block_no = 2");
      file.restore();
      file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 5");
      const [changed] = file.rows("SELECT * FROM audit_entries WHERE entry_no = 5");
      file.run("UPDATE audit_block_entries SET hash = ? WHERE entry_no = 5", hashEntry(entryOf(changed ?? {})));
      file.run("UPDATE audit_blocks SET hash = ? WHERE block_no = 2", row?.hash ?? "");
    },
    found: ["block 3: the chain is broken: it does not follow the block before it"],
  },
  {
    name: "a block is deleted",
    act(file) {
      for (const table of ["audit_entries", "audit_block_entries"])
        file.run(`DELETE FROM ${table} WHERE entry_no BETWEEN 4 AND 6`);
      file.run("DELETE FROM audit_blocks WHERE block_no = 2");
    },
    found: ["block 2: is missing"],
  },
  {
    name: "the first blocks are deleted",
    act(file) {
      for (const table of ["audit_entries", "audit_block_entries"])
        file.run(`DELETE FROM ${table} WHERE entry_no BETWEEN 1 AND 6`);
      file.run("DELETE FROM audit_blocks WHERE block_no <= 2");
    },
    found: ["block 1: is missing, and so are the next up to 2"],
  },
  {
    name: "a block is called dropped that retention would not have dropped yet",
    act: (file) => file.run("INSERT INTO audit_dropped_blocks VALUES (2, 1)"),
    found: [
      "block 2: was dropped, although an older one was not",
      "block 2: was dropped at 1970-01-01T00:00:00.001Z, before its retention of 365 days was over",
    ],
  },
  {
    name: "the first blocks are emptied and called dropped just now",
    act: (file) => file.drop([1, 2, 3]),
    found: [1, 2, 3].map((no) => new RegExp(`^block ${no}: was dropped at \\S+, before its retention`)),
  },
  {
    name: "the first blocks are emptied and called dropped in a year that has not come",
    act: (file) => file.drop([1, 2], Date.now() + 10 * 365 * 86_400_000),
    found: [1, 2].map((no) => new RegExp(`^block ${no}: was dropped at \\S+, which is in the future`)),
  },
  {
    name: "every block, the newest included, is emptied",
    act: (file) => file.drop([1, 2, 3, 4]),
    found: [
      ...[1, 2, 3, 4].map((no) => new RegExp(`^block ${no}: was dropped at .*, before`)),
      "block 4: was dropped, although retention keeps the newest block",
    ],
  },
  {
    name: "the newest block is emptied, and its times are those of years ago",
    act(file) {
      file.drop([1, 2, 3, 4]);
      file.run("UPDATE audit_blocks SET newest_at = 1, sealed_at = 1");
    },
    found: ["block 4: was dropped, although retention keeps the newest block"],
  },
  {
    name: "the whole chain is made anew after a change: only the digest knows",
    act(file) {
      file.run("UPDATE audit_entries SET actor = 'somebody' WHERE entry_no = 2");
      file.seal(1);
    },
    found: ["block 4: has a different hash from the digest"],
    args: ["--digest"],
  },
  {
    name: "the newest block is deleted with its entries: only the digest knows",
    act(file) {
      for (const table of ["audit_entries", "audit_block_entries"])
        file.run(`DELETE FROM ${table} WHERE entry_no >= 10`);
      file.run("DELETE FROM audit_blocks WHERE block_no = 4");
    },
    found: ["block 4: is in the digest, but no longer exists"],
    args: ["--digest"],
  },
];

describe("an audit that somebody has tampered with", () => {
  let folder = "";
  let host: LocalHost;
  let file: Intruder;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
    const database = join(folder, "agents.db");
    await fill(database);
    host = await startLocalHost({ AGENT_SWEEP_SCHEDULE: "0 0 0 1 1 *" }, { database });
    await cli(["audit", "digest", "--out", join(folder, "digest.json")]);
    file = new Intruder(database);
  });

  afterAll(async () => {
    file?.close();
    await host?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const cli = (args: readonly string[]) =>
    runFile("src/cli/main.ts", args, { environment: { AGENT_COMMUNICATION_URL: host.baseUrl } });
  const verify = (args: readonly string[] = []) =>
    cli([
      "audit",
      "verify",
      ...args.flatMap((arg) => (arg === "--digest" ? [arg, join(folder, "digest.json")] : [arg])),
    ]);

  it("is sound before, with its digest and without", async () => {
    const digest = JSON.parse(await readFile(join(folder, "digest.json"), "utf8"));
    expect(digest).toMatchObject({ blockNo: 4, lastEntryNo: 12 });
    const sound = (blocks: number, entries: number) =>
      `sound: ${blocks} ${blocks === 1 ? "block" : "blocks"}; ${entries} entries; the newest block is 4, ${digest.hash}\n`;
    expect(await verify()).toEqual({ code: 0, out: sound(4, 12), error: "" });
    expect(await verify(["--digest"])).toEqual({ code: 0, out: sound(1, 3), error: "" });
    expect(await verify(["--digest", "--all"])).toEqual({ code: 0, out: sound(4, 12), error: "" });
  });

  it.each(TAMPERING)("is found out: $name", async ({ act, found, args = [] }) => {
    act(file);
    try {
      // What only the digest tells, is sound without it.
      if (args.length > 0) expect((await verify()).code).toBe(0);
      const { code, out } = await verify(args);
      const lines = out.trimEnd().split("\n");
      expect(lines.at(-1)).toMatch(/^NOT SOUND: /);
      const finds = found.map((find) => (typeof find === "string" ? find : expect.stringMatching(find)));
      expect({ code, found: lines.slice(0, -1) }).toEqual({ code: 1, found: finds });
    } finally {
      file.restore();
    }
  });

  it("is found out where entries are put into blocks that retention has emptied, if asked for", async () => {
    for (const table of ["audit_entries", "audit_block_entries"])
      file.run(`DELETE FROM ${table} WHERE entry_no BETWEEN 1 AND 3`);
    // As long ago as retention asks for.
    file.run("UPDATE audit_blocks SET newest_at = newest_at - 400 * 86400000 WHERE block_no = 1");
    file.run("INSERT INTO audit_dropped_blocks VALUES (1, ?)", Date.now() - 20 * 86_400_000);
    const { out } = await verify();
    expect(out).toMatch(/^sound: 4 blocks, 1 of them dropped by retention; 9 entries; /);
    file.run(INSERT, 2);
    const { code, out: found } = await verify(["--all"]);
    expect(code).toBe(1);
    expect(found.split("\n")[0]).toBe("block 1, entry 2: was inserted: it belongs to no block");
    file.restore();
  });

  it("is found out where the first blocks are emptied after a digest, and their times are changed, too", async () => {
    const digest = JSON.parse(await readFile(join(folder, "digest.json"), "utf8"));
    const [second] = file.rows("SELECT hash FROM audit_blocks WHERE block_no = 2");
    const early = { ...digest, blockNo: 2, lastEntryNo: 6, hash: second?.hash };
    await writeFile(join(folder, "early.json"), JSON.stringify(early));
    file.drop([1, 2, 3], 400 * 86_400_000);
    file.run("UPDATE audit_blocks SET newest_at = 1, sealed_at = 1 WHERE block_no < 4");
    try {
      const { code, out } = await cli(["audit", "verify", "--digest", join(folder, "early.json")]);
      expect({ code, first: out.split("\n")[0] }).toEqual({
        code: 1,
        first: expect.stringMatching(/^block 3: was dropped at .*: it is not older than the digest$/),
      });
    } finally {
      file.restore();
    }
  });

  it("says what is not sealed yet, and takes another retention", async () => {
    file.run("INSERT INTO audit_entries VALUES (13, 1000, 'x', 'agent.changed', 'agent', 'y', '{}')");
    file.run("INSERT INTO audit_entries VALUES (14, 2000, 'x', 'agent.changed', 'agent', 'y', '{}')");
    const { code, out } = await verify();
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^sound: 4 blocks.*; not sealed yet, so not verified: 2 entries, the oldest of 1970-01-01T00:00:01/,
      ),
    });
    file.restore();
    file.drop([1]);
    file.run("UPDATE audit_blocks SET newest_at = newest_at - 20 * 86400000 WHERE block_no = 1");
    try {
      expect((await verify()).code).toBe(1);
      expect((await verify(["--retention-days", "10"])).code).toBe(0);
      expect((await verify(["--retention-days", "30"])).code).toBe(1);
    } finally {
      file.restore();
    }
  });

  it("goes on where an entry has a number or a time that no process can read: the others are sealed and listed", async () => {
    const far = "9223372036854775807";
    file.run(INSERT, 13);
    file.run(`INSERT INTO audit_entries VALUES (${far}, 1, 'far', 'agent.changed', 'agent', 'y', '{}')`);
    file.run(`INSERT INTO audit_entries VALUES (14, ${far}, 'late', 'agent.changed', 'agent', 'y', '{}')`);
    try {
      const listed = await cli(["audit", "list", "--from", "2020-01-01T00:00:00Z", "--json"]);
      expect({ code: listed.code, first: JSON.parse(listed.out).entries[0] }).toMatchObject({
        code: 0,
        first: { entryNo: 14, at: "+275760-09-13T00:00:00.000Z", actor: "late" },
      });
      expect((await cli(["maintenance"])).code).toBe(0);
      const [sealed] = file.rows("SELECT last_entry_no FROM audit_blocks WHERE block_no = 5");
      expect(sealed).toEqual({ last_entry_no: 14 });
      // What is beyond is in no block, and verifying says so.
      expect((await verify()).out).toMatch(/^sound: 5 blocks; .*not sealed yet, so not verified: /);
    } finally {
      file.restore();
    }
  });

  it("is no matter for a digest that is none: a wrong command line", async () => {
    const other = join(folder, "other.json");
    await writeFile(other, "{}");
    const { code, error } = await cli(["audit", "verify", "--digest", other]);
    expect({ code, error }).toEqual({ code: 2, error: expect.stringContaining("is not a digest of the audit") });
  });
});

describe("the embedded database itself", () => {
  const CHANGES = [
    "UPDATE audit_entries SET actor = 'x' WHERE entry_no = 1",
    "INSERT OR REPLACE INTO audit_entries VALUES (1, 1, 'x', 'agent.changed', 'agent', 'y', '{}')",
    "REPLACE INTO audit_entries VALUES (12, 1, 'x', 'agent.changed', 'agent', 'y', '{}')",
    "INSERT INTO audit_entries VALUES (9007199254740992, 1, 'x', 'agent.changed', 'agent', 'y', '{}')",
    "INSERT OR REPLACE INTO audit_blocks SELECT * FROM audit_blocks WHERE block_no = 2",
    "INSERT OR REPLACE INTO audit_block_entries VALUES (5, 3, (SELECT hash FROM audit_block_entries WHERE entry_no = 4))",
    "INSERT INTO audit_dropped_blocks VALUES (1, 1); INSERT OR REPLACE INTO audit_dropped_blocks VALUES (1, 2)",
    "DELETE FROM audit_entries WHERE entry_no = 1",
    "UPDATE audit_blocks SET hash = hash WHERE block_no = 1",
    "DELETE FROM audit_blocks WHERE block_no = 1",
    "UPDATE audit_block_entries SET block_no = 2 WHERE entry_no = 1",
    "DELETE FROM audit_block_entries WHERE entry_no = 1",
    "INSERT INTO audit_dropped_blocks VALUES (2, 1)",
    `INSERT INTO audit_dropped_blocks VALUES (${BLOCKS}, 1)`,
    "INSERT INTO audit_dropped_blocks VALUES (1, 1); UPDATE audit_dropped_blocks SET dropped_at = 2",
    "INSERT INTO audit_dropped_blocks VALUES (1, 1); DELETE FROM audit_dropped_blocks",
    "INSERT INTO audit_dropped_blocks VALUES (1, 1); DELETE FROM audit_entries WHERE entry_no = 4",
    "INSERT INTO audit_dropped_blocks VALUES (1, 1); DELETE FROM audit_block_entries WHERE entry_no = 1",
  ];
  let folder = "";
  let database: DatabaseSync;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
    await fill(join(folder, "agents.db"));
    database = new DatabaseSync(join(folder, "agents.db"));
  });
  afterAll(async () => {
    database?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(CHANGES)("refuses %s", (sql) => {
    database.exec("BEGIN");
    try {
      expect(() => database.exec(sql)).toThrow(/audit (entries|blocks) (do not change|are kept|are dropped)/);
    } finally {
      database.exec("ROLLBACK");
    }
  });

  it("lets go of a whole block that was marked first", () => {
    database.exec(`BEGIN;
      INSERT INTO audit_dropped_blocks VALUES (1, 1);
      DELETE FROM audit_entries WHERE entry_no <= 3;
      DELETE FROM audit_block_entries WHERE block_no = 1;
      ROLLBACK`);
  });
});
