import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { FileWatch } from "../../../src/lib/store/sqlite/file-watch.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";

/** What happens to the file of an embedded database while it is open. */

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
interface Opened {
  file: string;
  store: Store;
  faults: unknown[];
}

async function open(): Promise<Opened> {
  files += 1;
  const file = join(folder, `agents-${files}.db`);
  const faults: unknown[] = [];
  const onFault = (error: unknown, kind: string) => void faults.push({ kind, path: (error as { path?: string }).path });
  const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock: new OffsetClock(), onFault });
  await register(store, "before");
  return { file, store, faults };
}

const register = (store: Store, agentId: string) =>
  store.registerAgent({ agentId, role: "worker", capabilities: [], maxConcurrentTasks: 1 });

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    return isAgentCommunicationError(error) ? error.code : `not ours: ${String(error)}`;
  }
}

const DELETED: readonly [string, (file: string) => void, string][] = [
  ["deleted", (file) => rmSync(file), ""],
  ["moved away", (file) => renameSync(file, `${file}.moved`), ""],
  [
    "replaced by a copy of itself",
    (file) => {
      copyFileSync(file, `${file}.copy`);
      renameSync(`${file}.copy`, file);
    },
    "",
  ],
  ["left without its log", (file) => rmSync(`${file}-wal`), "-wal"],
  ["left without the index of its log", (file) => rmSync(`${file}-shm`), "-shm"],
];

describe("a database file that is open and", () => {
  it.each(DELETED)(
    "%s: after one sweep nothing is acknowledged any more, and health says so",
    async (_, harm, suffix) => {
      const { file, store, faults } = await open();
      expect(await store.checkHealth()).toMatchObject({ databaseConnection: true, messageQueueOperational: true });
      harm(file);
      expect(await codeOf(store.sweep())).toBe("STORE_UNAVAILABLE");
      expect(await codeOf(register(store, "after"))).toBe("STORE_UNAVAILABLE");
      expect(await codeOf(store.getAgent("before"))).toBe("STORE_UNAVAILABLE");
      expect(await store.checkHealth()).toEqual({
        databaseConnection: false,
        messageQueueOperational: false,
        agentRegistryAccessible: false,
        recentActivity: false,
      });
      expect(faults).toEqual([{ kind: "file", path: file + suffix }]);
      await store.close();
    },
  );

  it.each(DELETED)("%s: a call that begins later is refused without a sweep", async (_, harm) => {
    const { file, store } = await open();
    harm(file);
    // The files are looked at ten times a second.
    const results: string[] = [];
    while (results.at(-1) !== "STORE_UNAVAILABLE" && results.length < 10_000) {
      results.push(await codeOf(register(store, `agent-${results.length}`)));
    }
    expect(results.at(-1)).toBe("STORE_UNAVAILABLE");
    await store.close();
  });

  it.each([
    ["has a header of zeros", (file: string) => overwriteStart(file)],
    ["is emptied in place", (file: string) => truncateSync(file)],
  ])(
    "%s: reads and writes are unavailable or right, never an unexpected error, and health says what they meet",
    async (_, harm) => {
      const { file, store } = await open();
      await store.close();
      const settings = CALM_SETTINGS;
      const again = openSqliteStore({ file, settings, clock: new OffsetClock() });
      harm(file);
      const codes = [await codeOf(register(again, "after")), await codeOf(again.getAgent("before"))];
      for (const code of codes) expect(["done", "STORE_UNAVAILABLE"]).toContain(code);
      const health = await again.checkHealth();
      expect(health.messageQueueOperational).toBe((await codeOf(register(again, "later"))) === "done");
      await again.close();
    },
  );
});

describe("the disk of a database file", () => {
  it("has room for the largest call, or health says that a write would fail", () => {
    expect(new FileWatch(join(folder, "any.db")).hasRoom()).toBe(true);
    // The kernel's own file system has no free blocks.
    expect(new FileWatch(existsSync("/proc") ? "/proc/any.db" : "/dev/any.db").hasRoom()).toBe(false);
    expect(new FileWatch(":memory:").hasRoom()).toBe(true);
  });
});

function overwriteStart(file: string): void {
  writeFileSync(file, Buffer.alloc(100), { flag: "r+" });
}
