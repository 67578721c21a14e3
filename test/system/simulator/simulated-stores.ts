import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { StoreSettings } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS, type StoreUnderTest } from "../../contract/store-under-test.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A store, and where its rows are. */
export type SimulatedStore = StoreUnderTest & { clock: VirtualClock; file: string };

/** Stores for simulations: 24 migrations run once, not for each seed, and no commit waits for the disk. */
export class SimulatedStores {
  readonly #directory = mkdtempSync(join(tmpdir(), "agent-communication-"));
  readonly #template = join(this.#directory, "template.db");
  readonly #settings: StoreSettings;
  #opened = 0;

  constructor(settings: Partial<StoreSettings>) {
    this.#settings = { ...CALM_SETTINGS, ...settings };
  }

  /**
   * Closing it leaves nothing behind in the file system but what all of them have in common.
   *
   * @param syncs whether commits wait for the disk, as they do outside of simulations
   */
  async open({ syncs }: { syncs: boolean }): Promise<SimulatedStore> {
    if (this.#opened === 0) await this.#migrate();
    this.#opened += 1;
    const folder = mkdtempSync(join(this.#directory, "seed-"));
    const file = join(folder, "agents.db");
    copyFileSync(this.#template, file);
    const clock = new VirtualClock();
    const store = openSqliteStore({ file, settings: this.#settings, clock, syncs });
    return {
      store,
      clock,
      file,
      async close() {
        await store.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }

  /** A closed store is one file: the log is in it. */
  async #migrate(): Promise<void> {
    const store = openSqliteStore({
      file: this.#template,
      settings: this.#settings,
      clock: new VirtualClock(),
      syncs: false,
    });
    await store.close();
  }

  /** Once all are closed. */
  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
