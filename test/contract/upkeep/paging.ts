import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import type { Page, Paged } from "../../../src/lib/store/store.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, everyPage, type Scene, SECOND } from "../support.ts";

type List = (page: Page) => Promise<Paged<unknown>>;

interface Listing {
  /** The list of this scene, with a filter of its own. */
  read: List;
  /** The same list under other filters. */
  others: List[];
  /** The ids in the order that the list must have. */
  expected: string[];
  id(item: unknown): string;
}

const field =
  (name: string) =>
  (item: unknown): string => {
    const value: unknown = typeof item === "object" && item !== null ? Reflect.get(item, name) : undefined;
    if (typeof value !== "string") throw new Error(`an item without ${name}`);
    return value;
  };

const COUNT = 7;

/** Each list of the store, filled with COUNT items. */
const LISTINGS: Record<string, (scene: Scene) => Promise<Listing>> = {
  async agents(scene) {
    const capabilities = [scene.skill];
    const ids: string[] = [];
    for (const name of ["b", "A", "c", "_x".slice(1), "B", "a1", "a"]) ids.push(scene.id(name));
    for (const agentId of ids) await scene.register({ agentId, role: "observer", capabilities });
    return {
      read: (page) => scene.store.listAgents({ capability: scene.skill, ...page }),
      others: [
        (page) => scene.store.listAgents(page),
        (page) => scene.store.listAgents({ capability: scene.skill, role: "observer", ...page }),
        (page) => scene.store.listAgents({ capability: scene.skill, status: "active", ...page }),
      ],
      expected: [...ids].sort(),
      id: field("agentId"),
    };
  },
  async mailbox(scene) {
    const [sender, receiver, other] = [await scene.agent(), await scene.agent(), await scene.agent()];
    const ids: string[] = [];
    for (let i = 0; i < COUNT; i++)
      ids.push(await scene.send(sender, receiver, { priority: i === 3 ? "urgent" : "low" }));
    const [urgent] = ids.splice(3, 1);
    return {
      read: (page) => scene.store.peekMessages(receiver, page),
      others: [(page) => scene.store.peekMessages(other, page)],
      expected: [urgent ?? "", ...ids],
      id: field("messageId"),
    };
  },
  async "dead letters"(scene) {
    const [sender, receiver] = [await scene.agent(), await scene.agent()];
    const ids: string[] = [];
    for (let i = 0; i < COUNT; i++) {
      ids.push(await scene.deadLetter(sender, receiver, { type: "query" }, "why"));
      if (i % 2 === 0) scene.advance(SECOND);
    }
    return {
      read: (page) => scene.store.listDeadLetters({ receiver, ...page }),
      others: [
        (page) => scene.store.listDeadLetters(page),
        (page) => scene.store.listDeadLetters({ receiver, type: "query", ...page }),
        (page) => scene.store.listDeadLetters({ receiver, reason: "why", ...page }),
        (page) => scene.store.listDeadLetters({ receiver: sender, ...page }),
      ],
      expected: ids.reverse(),
      id: field("messageId"),
    };
  },
  async tasks(scene) {
    const supervisor = await scene.supervisor();
    const parentTaskId = scene.id("parent");
    const ids: string[] = [];
    for (let i = 0; i < COUNT; i++) ids.push(await scene.submit(supervisor, { parentTaskId }));
    return {
      read: (page) => scene.store.listTasks({ supervisor, ...page }),
      others: [
        (page) => scene.store.listTasks(page),
        (page) => scene.store.listTasks({ supervisor, status: "pending", ...page }),
        (page) => scene.store.listTasks({ supervisor, parentTaskId, ...page }),
        (page) => scene.store.listTasks({ supervisor, taskType: "work", ...page }),
      ],
      expected: ids.reverse(),
      id: field("taskId"),
    };
  },
  async history(scene) {
    const supervisor = await scene.supervisor();
    await scene.worker();
    const held = await scene.assign(supervisor);
    await scene.start(held);
    const other = await scene.submit(supervisor);
    for (let i = 0; i < COUNT - 4; i++) await scene.progress(held, { percent: i });
    await scene.complete(held);
    return {
      read: (page) => scene.store.getTaskHistory(held.taskId, page),
      others: [(page) => scene.store.getTaskHistory(other, page)],
      expected: ["completed", "progress", "progress", "progress", "started", "assigned", "created"],
      id: field("event"),
    };
  },
};

/** Lists: their order, their pages, their cursors (design section 5). */
export function pagingContract(open: StoreFactory): void {
  describe("paging", () => {
    const stage = useStore(open);

    describe.each(Object.entries(LISTINGS))("%s", (_name, build) => {
      it("comes in its order, in pages of any size, with null at the end", async () => {
        const { read, expected, id } = await build(stage.scene());
        expect(expected).toHaveLength(COUNT);
        for (const limit of [1, 2, 3, COUNT - 1, COUNT, COUNT + 1, 200]) {
          expect((await everyPage(read, limit, COUNT + 1)).map(id)).toEqual(expected);
        }
        expect((await read({ limit: 3 })).items).toHaveLength(3);
        expect((await read({ limit: COUNT })).nextCursor).toBeNull();
        expect((await read({ limit: COUNT - 1 })).nextCursor).not.toBeNull();
      });

      it("keeps its place when a cursor is used twice", async () => {
        const { read, expected, id } = await build(stage.scene());
        const { nextCursor } = await read({ limit: 2 });
        const page = { limit: 2, cursor: nextCursor ?? "" };
        const first = await read(page);
        expect((await read(page)).items).toEqual(first.items);
        expect(first.items.map(id)).toEqual(expected.slice(2, 4));
      });

      it("refuses a cursor of other filters, of another list, and one that it never gave", async () => {
        const scene = stage.scene();
        const { read, others } = await build(scene);
        const { nextCursor } = await read({ limit: 2 });
        const cursor = nextCursor ?? "";
        for (const other of others) expect(await caught(other({ limit: 2, cursor }))).toBe("INVALID_REQUEST");
        const list = scene.store.listMessageTypes;
        expect(await caught(list({ limit: 2, cursor }))).toBe("INVALID_REQUEST");
        const forged = [
          "",
          "x",
          "null",
          "eyJ9",
          "{}",
          "%00",
          `${cursor}x`,
          cursor.slice(1),
          "🐝",
          btoa("[]"),
          btoa('{"a":[1]}'),
        ];
        for (const bad of forged)
          expect([bad, await caught(read({ limit: 2, cursor: bad }))]).toEqual([bad, "INVALID_REQUEST"]);
      });

      it("refuses a cursor whose position is of another kind, and bears one that lies nowhere", async () => {
        const { read } = await build(stage.scene());
        const { nextCursor } = await read({ limit: 2 });
        const [hash, position] = z
          .tuple([z.string(), z.array(z.union([z.string(), z.number()]))])
          .parse(JSON.parse(Buffer.from(nextCursor ?? "", "base64url").toString()));
        const edited = (parts: unknown[]) =>
          caught(read({ limit: 2, cursor: Buffer.from(JSON.stringify([hash, parts])).toString("base64url") }));
        expect(await edited(position)).toBe("accepted");
        const otherKind = position.map((part) => (typeof part === "number" ? `${part}` : 7));
        for (const parts of [otherKind, [...position, ...position], []]) {
          expect([parts, await edited(parts)]).toEqual([parts, "INVALID_REQUEST"]);
        }
        const far = (sign: 1 | -1) =>
          position.map((part) => (typeof part === "number" ? sign * Number.MAX_SAFE_INTEGER : "~"));
        expect([await edited(far(1)), await edited(far(-1))]).toEqual(["accepted", "accepted"]);
      });
    });

    it("of a mailbox of nobody is refused", async () => {
      const scene = stage.scene();
      expect(await caught(scene.store.peekMessages(scene.id("nobody"), { limit: 1 }))).toBe("AGENT_NOT_FOUND");
    });

    it("goes on behind its cursor when rows come and go", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const ids: string[] = [];
      for (let i = 0; i < 6; i++) ids.unshift(await scene.submit(supervisor));
      const first = await scene.store.listTasks({ supervisor, status: "pending", limit: 2 });
      await scene.store.cancelTask(ids[1] ?? "", undefined);
      await scene.submit(supervisor);
      const second = await scene.store.listTasks({
        supervisor,
        status: "pending",
        limit: 2,
        cursor: first.nextCursor ?? "",
      });
      expect(second.items.map((task) => task.taskId)).toEqual(ids.slice(2, 4));
    });

    it("the filters of tasks, alone and together", async () => {
      const scene = stage.scene();
      const [one, two] = [await scene.supervisor(), await scene.supervisor()];
      const parentTaskId = scene.id("p");
      const worker = await scene.worker(2);
      const a = (await scene.assign(one, { taskType: scene.id("x"), parentTaskId })).taskId;
      const b = (await scene.assign(two, { taskType: scene.id("y"), parentTaskId })).taskId;
      const c = await scene.submit(one, { taskType: scene.id("y"), parentTaskId });
      const list = async (filter: object) => {
        const tasks = await everyPage((page) => scene.store.listTasks({ ...filter, ...page }));
        return tasks.map((task) => task.taskId);
      };
      expect(await list({ supervisor: one })).toEqual([c, a]);
      expect(await list({ assignedTo: worker })).toEqual([b, a]);
      expect(await list({ taskType: scene.id("y") })).toEqual([c, b]);
      expect(await list({ parentTaskId })).toEqual([c, b, a]);
      expect(await list({ parentTaskId, status: "pending" })).toEqual([c]);
      expect(await list({ supervisor: one, status: "assigned", assignedTo: worker, parentTaskId })).toEqual([a]);
      expect(await list({ supervisor: scene.id("nobody") })).toEqual([]);
      expect(await list({ assignedTo: scene.id("nobody") })).toEqual([]);
    });

    it("the filters of agents, alone and together", async () => {
      const scene = stage.scene();
      const capability = scene.id("cap");
      const plain = await scene.register({ role: "worker", capabilities: [capability] });
      const versioned = await scene.register({ role: "observer", capabilities: [`${capability}@2`] });
      await scene.store.heartbeat({ agentId: plain.agentId, status: "draining" });
      const list = async (filter: object) => {
        const agents = await everyPage((page) => scene.store.listAgents({ ...filter, ...page }));
        return agents.map((agent) => agent.agentId);
      };
      expect(await list({ capability })).toEqual([plain.agentId, versioned.agentId].sort());
      expect(await list({ capability: `${capability}@2` })).toEqual([versioned.agentId]);
      expect(await list({ capability, role: "worker" })).toEqual([plain.agentId]);
      expect(await list({ capability, status: "active" })).toEqual([versioned.agentId]);
      expect(await list({ capability, status: "draining", role: "observer" })).toEqual([]);
      expect(await list({ capability: scene.id("never") })).toEqual([]);
      const everyone = await list({});
      expect(everyone).toEqual([...everyone].sort());
      expect(everyone).toEqual(expect.arrayContaining([plain.agentId, versioned.agentId]));
    });
  });
}
