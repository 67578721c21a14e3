import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../../../contract/store-under-test.ts";
import { Scene } from "../../../contract/support.ts";
import { recount, rowsOf } from "../../../support/recount.ts";

let directory = "";
let file = "";
let scene: Scene;

function open(maxMailbox: number): Scene {
  const clock = new OffsetClock();
  const store = openSqliteStore({ file, settings: { ...CALM_SETTINGS, maxMailbox }, clock });
  return new Scene({ store, clock, close: () => store.close() });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
  file = join(directory, "agents.db");
});
afterEach(async () => {
  await scene.store.close();
  await rm(directory, { recursive: true, force: true });
});

describe("streams by type", () => {
  /** More than two steps of the making of streams. */
  const MESSAGES = 2_500;

  it("are made by the first receive that names types, in steps, and hand out in the order of all", async () => {
    scene = open(100_000);
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    for (let sent = 0; sent < MESSAGES; sent += 50) {
      const batch = Array.from({ length: 50 }, (_, index) =>
        scene.message(sender, receiver, {
          type: index % 2 === 0 ? "query" : "notification",
          messageId: `m-${sent + index}`,
        }),
      );
      await scene.store.sendMessages(batch);
    }
    // Leased while there are no streams by type: it comes back into one.
    const first = await scene.receiveOne(receiver);
    const steps = [];
    do steps.push(await scene.claim(receiver, { types: ["notification"], maxMessages: 2 }));
    while (steps.at(-1)?.unfinished);
    expect(steps.map(({ messages }) => messages.map(({ messageId }) => messageId))).toEqual([[], [], ["m-1", "m-3"]]);
    await scene.settle(receiver, first, "retry", { delayMilliseconds: 0 });
    expect(await scene.receiveMany(receiver, { types: ["query"], maxMessages: 1 })).toEqual(["m-0"]);
    await scene.send(sender, receiver, { type: "broadcast", messageId: "later" });
    expect(await scene.receiveMany(receiver, { types: ["broadcast"] })).toEqual(["later"]);
    expect(recount(file)).toEqual([]);
    expect(rowsOf(file, "SELECT count(*) AS n FROM messages WHERE stream_type IS NOT NULL")).toEqual([
      { n: MESSAGES - 3 },
    ]);
  });

  it("are not there for a mailbox that nobody reads by type", async () => {
    scene = open(100);
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    await scene.send(sender, receiver);
    expect(rowsOf(file, "SELECT stream_type, by_type FROM messages, mailboxes")).toMatchObject([
      { stream_type: null, by_type: 0 },
      { stream_type: null, by_type: 0 },
    ]);
  });
});

describe("counts by sender", () => {
  const kept = () => rowsOf(file, "SELECT sender_no, depth FROM mailbox_senders ORDER BY 1");

  it("begin above half of the mailbox, end at a quarter, and are the rows in between", async () => {
    scene = open(40);
    const receiver = await scene.agent();
    const senders = await Promise.all(Array.from({ length: 6 }, () => scene.agent()));
    // Twenty are half.
    for (const sender of senders.slice(0, 5)) for (let n = 0; n < 4; n += 1) await scene.send(sender, receiver);
    expect(kept()).toEqual([]);
    await scene.send(senders[5] ?? "", receiver);
    expect(kept().map(({ depth }) => depth)).toEqual([4, 4, 4, 4, 4, 1]);
    for (let left = 20; left > 10; left -= 1) {
      await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
      expect(kept()).toHaveLength(6);
      expect(recount(file)).toEqual([]);
    }
    await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
    expect(kept()).toEqual([]);
    expect(recount(file)).toEqual([]);
  });
});
