import { describe, expect, it } from "@jest/globals";
import { REPLY_MAX_BYTES } from "../../../src/lib/model/limits.ts";
import type { Page, Paged } from "../../../src/lib/store/store.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { DAY, type Scene, SECOND } from "../support.ts";

const KILOBYTE = 1_000;
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

interface Filled {
  read: (page: Page) => Promise<Paged<unknown>>;
  /** The ids in the order of the list. */
  expected: string[];
  id: string;
}

/** 40 rows in one page of 200 are larger than one reply, but for lists whose rows cannot be that large. */
const ROWS = 40;

const LARGE = "x".repeat(250 * KILOBYTE);

/** An ended task, and the times of its events, newest first. */
async function manyEvents(scene: Scene): Promise<{ taskId: string; expected: string[] }> {
  const supervisor = await scene.supervisor();
  await scene.worker();
  const held = await scene.assign(supervisor, { timeoutSeconds: 10_000 });
  for (let i = 0; i < 220; i++) {
    scene.advance(SECOND);
    await scene.progress(held, { note: "\u0001".repeat(4_000) });
  }
  scene.advance(SECOND);
  await scene.complete(held);
  const expected: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await scene.store.getTaskHistory(held.taskId, { limit: 20, cursor });
    expected.push(...page.items.map((event) => event.at));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return { taskId: held.taskId, expected };
}

/** Lists whose pages of 200 can be larger than one reply, with more in them than fits. */
const LISTS: Record<string, (scene: Scene) => Promise<Filled>> = {
  async "a mailbox"(scene) {
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const ids: string[] = [];
    for (let i = 0; i < ROWS; i++) ids.push(await scene.send(sender, receiver, { payload: { text: LARGE } }));
    return { read: (page) => scene.store.peekMessages(receiver, page), expected: ids, id: "messageId" };
  },
  async "a mailbox of assignments"(scene) {
    const supervisor = await scene.supervisor();
    const worker = await scene.worker(ROWS);
    for (let i = 0; i < ROWS; i++) await scene.assign(supervisor, { parameters: { text: LARGE } });
    const expected: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await scene.store.peekMessages(worker, { limit: 5, cursor });
      expected.push(...page.items.map((message) => message.messageId));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return { read: (page) => scene.store.peekMessages(worker, page), expected, id: "messageId" };
  },
  async "dead letters"(scene) {
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const ids: string[] = [];
    for (let i = 0; i < ROWS; i++) ids.unshift(await scene.deadLetter(sender, receiver, { payload: { text: LARGE } }));
    return { read: (page) => scene.store.listDeadLetters({ receiver, ...page }), expected: ids, id: "messageId" };
  },
  async tasks(scene) {
    const supervisor = await scene.supervisor();
    const ids: string[] = [];
    for (let i = 0; i < ROWS; i++) ids.unshift(await scene.submit(supervisor, { parameters: { text: LARGE } }));
    return { read: (page) => scene.store.listTasks({ supervisor, ...page }), expected: ids, id: "taskId" };
  },
  async "agents, whose control characters take six bytes each"(scene) {
    const metadata = { text: "\u0001".repeat(2_700) };
    const capabilities = Array.from({ length: 63 }, (_, i) => `${scene.skill}-${"c".repeat(100)}${i}`);
    const all = Array.from({ length: 200 }, () =>
      scene.register({ role: "observer", capabilities: [scene.skill, ...capabilities], metadata }),
    );
    const ids = (await Promise.all(all)).map((agent) => agent.agentId);
    return {
      read: (page) => scene.store.listAgents({ capability: scene.skill, ...page }),
      expected: ids.sort(),
      id: "agentId",
    };
  },
  async "events of a task, whose control characters take six bytes each"(scene) {
    const { taskId, expected } = await manyEvents(scene);
    return { read: (page) => scene.store.getTaskHistory(taskId, page), expected, id: "at" };
  },
  async "events of a task in the archive"(scene) {
    const { taskId, expected } = await manyEvents(scene);
    scene.advance(31 * DAY);
    await scene.store.maintain();
    expect((await scene.store.getTask(taskId)).archived).toBe(true);
    return { read: (page) => scene.store.getTaskHistory(taskId, page), expected, id: "at" };
  },
  async "message types"(scene) {
    const description = "é".repeat(31 * KILOBYTE);
    const expected = Array.from({ length: 70 }, (_, i) => `large_${scene.tag}_${String(i).padStart(2, "0")}`);
    for (const type of expected) await scene.store.putMessageType(type, { description });
    return { read: scene.store.listMessageTypes, expected, id: "type" };
  },
  async "channels, whose control characters take six bytes each"(scene) {
    const description = "\u0001".repeat(8_000);
    const expected: string[] = [];
    for (let i = 0; i < 100; i++) expected.push(await scene.channel("broadcast", { description }));
    return { read: (page) => scene.store.listChannels({ kind: "broadcast", ...page }), expected, id: "name" };
  },
};

/** Every page of a list that begins without a cursor, 200 rows at most in each. */
async function pagesOf(read: Filled["read"]): Promise<unknown[][]> {
  const pages: unknown[][] = [];
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await read({ limit: 200, cursor });
    pages.push(items);
    cursor = nextCursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

function idOf(item: unknown, name: string): unknown {
  return typeof item === "object" && item !== null ? Reflect.get(item, name) : undefined;
}

/** Replies that list anything are bounded in bytes, too (docs/http.md, Lists). */
export function replyBytesContract(open: StoreFactory): void {
  describe("bytes of a reply", () => {
    const stage = useStore(open);

    it.each(Object.entries(LISTS))(
      "%s: every page holds what fits, and the next goes on behind it",
      async (_name, fill) => {
        const { read, expected, id } = await fill(stage.scene());
        const pages = await pagesOf(read);
        const own = new Set<unknown>(expected);
        const shown = pages.flat().map((item) => idOf(item, id));
        expect(shown.filter((item) => own.has(item))).toEqual(expected);
        expect(pages.length).toBeGreaterThan(1);
        const sizes = pages.map(bytesOf);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(REPLY_MAX_BYTES + 1_024);
        // Of every page but the last: the next row would have been too much.
        for (const [i, size] of sizes.slice(0, -1).entries()) {
          expect(size + bytesOf(pages[i + 1]?.[0])).toBeGreaterThan(REPLY_MAX_BYTES);
        }
      },
      60_000,
    );

    it("a receive counts the parameters of assignments as payload", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(10);
      for (let i = 0; i < 10; i++) await scene.assign(supervisor, { parameters: { text: "x".repeat(100 * KILOBYTE) } });
      const claim = { maxMessages: 50, maxBytes: 450 * KILOBYTE, claimId: scene.id("claim") };
      const first = await scene.receive(worker, claim);
      expect(first).toHaveLength(4);
      expect((await scene.receive(worker, claim)).map((message) => message.messageId)).toEqual(
        first.map((message) => message.messageId),
      );
      expect(await scene.receive(worker, { ...claim, claimId: scene.id("other") })).toHaveLength(4);
      expect(await scene.receive(worker, { ...claim, claimId: scene.id("third") })).toHaveLength(2);
    });

    it("a receive of as much as may be asked for fits with everything around the payload", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const size = Math.floor(REPLY_MAX_BYTES / 50) - 100;
      for (let i = 0; i < 50; i++) await scene.send(sender, receiver, { payload: { text: "x".repeat(size) } });
      const first = await scene.receive(receiver, { maxMessages: 50, maxBytes: REPLY_MAX_BYTES });
      expect(first.length).toBeGreaterThan(40);
      expect(bytesOf(first)).toBeLessThanOrEqual(REPLY_MAX_BYTES);
      const rest = await scene.receive(receiver, { maxMessages: 50, maxBytes: REPLY_MAX_BYTES });
      expect(first.length + rest.length).toBe(50);
    });
  });
}
