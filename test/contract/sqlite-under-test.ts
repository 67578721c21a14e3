import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, OffsetClock } from "../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../src/lib/store/sqlite/open.ts";
import type { StoreSettings } from "../../src/lib/store/store.ts";
import { CALM_SETTINGS, type StoreUnderTest } from "./store-under-test.ts";

/** A clock that a test can move. */
export type MovableClock = Clock & { advance(milliseconds: number): void; set?(milliseconds: number): void };

/** The embedded store on a real file in a directory of its own, which closing removes. */
export async function openSqliteUnderTest(
  settings: Partial<StoreSettings> = {},
  clock: MovableClock = new OffsetClock(),
): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
  const open = () =>
    openSqliteStore({ file: join(directory, "agents.db"), settings: { ...CALM_SETTINGS, ...settings }, clock });
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
      await rm(directory, { recursive: true, force: true });
    },
  };
}
