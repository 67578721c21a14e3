import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MEBIBYTE = 1_024 * 1_024;

describe("the log of an embedded database", () => {
  it("gives back what it has grown to while a reader kept it from being used again", async () => {
    const file = join(folder, "agents.db");
    const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock: new OffsetClock() });
    let written = 0;
    const write = async (name: string) => {
      written += 1;
      // Another text each time: SQLite writes only those pages of a value that have changed.
      await store.putMessageType(name, { description: String(written % 10).repeat(MEBIBYTE) });
    };
    const size = () => statSync(`${file}-wal`).size;
    await write("first");
    const reader = new DatabaseSync(file);
    reader.exec("BEGIN; SELECT count(*) FROM agents");
    for (let n = 0; n < 80; n += 1) await write("grown");
    expect(size()).toBeGreaterThan(64 * MEBIBYTE);
    reader.exec("COMMIT");
    reader.close();
    for (let n = 0; n < 20; n += 1) await write("after");
    expect(size()).toBeLessThanOrEqual(64 * MEBIBYTE);
    await store.close();
  });
});
