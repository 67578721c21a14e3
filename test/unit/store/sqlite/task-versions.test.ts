import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../../contract/store-under-test.ts";
import { Scene } from "../../../contract/support.ts";
import { WAYS } from "../../../support/task-versions.ts";

describe("on SQLite the row of a task that", () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-communication-"));
  const file = join(directory, "agents.db");
  const clock = new OffsetClock();
  let store: Store;

  beforeAll(() => {
    store = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
  });
  afterAll(async () => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(WAYS)("$name keeps its version and last outcome", async ({ go, state }) => {
    const taskId = await go(new Scene({ store, clock, close: () => store.close() }));
    const reader = new DatabaseSync(file, { readOnly: true });
    const row = reader.prepare("SELECT status, version, last_outcome FROM tasks WHERE task_id = ?").get(taskId);
    reader.close();
    expect({ ...row }).toEqual(state);
  });
});
