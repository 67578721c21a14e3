import { describe, expect, it } from "@jest/globals";
import type { Explanation } from "../../../src/lib/model/explanation.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, HOUR, only, type Scene, SECOND } from "../support.ts";

/** Whom a task goes to and why (design sections 3.4 and 4, Task). */
export function assignmentContract(open: StoreFactory): void {
  describe("assignment", () => {
    const stage = useStore(open);

    async function begin() {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor() };
    }

    /** Who would get a task now. */
    async function choice(scene: Scene, supervisor: string, options = {}): Promise<string | undefined> {
      return (await scene.store.previewAssignment(scene.task(supervisor, options))).chosen;
    }

    describe("capabilities", () => {
      it.each([
        ["python", ["python"], true],
        ["python", ["python@3.12"], true],
        ["python@3.12", ["python@3.12"], true],
        ["python@3.12", ["python"], false],
        ["python@3.12", ["python@3.11"], false],
        ["python", ["Python"], false],
        ["python", ["pythonic"], false],
        ["python", ["py@thon"], false],
        ["python@3", ["python@3.12"], false],
        ["c++", ["c++"], true],
        ["c", ["c++"], false],
      ])("a demand for %s is met by %s: %s", async (required, offered, met) => {
        const { scene, supervisor } = await begin();
        // The scene's tag keeps other tests' workers out; it is part of the name so that the matching is what is tested.
        const tagged = (capability: string) => `${scene.tag}/${capability}`;
        const { agentId } = await scene.register({ role: "worker", capabilities: offered.map(tagged) });
        const task = scene.task(supervisor, { requiredCapabilities: [tagged(required)] });
        expect((await scene.store.previewAssignment(task)).chosen).toBe(met ? agentId : undefined);
        expect((await scene.store.assignTask(task)).status).toBe(met ? "assigned" : "pending");
      });

      it("all required ones are needed, in any order; more do not matter", async () => {
        const { scene, supervisor } = await begin();
        await scene.worker(1, ["a"]);
        await scene.worker(1, ["b"]);
        const both = await scene.worker(1, ["c", "b", "a@1"]);
        const requiredCapabilities = ["b", scene.skill, "a", "b"];
        expect((await scene.assign(supervisor, { requiredCapabilities })).agentId).toBe(both);
      });

      it("none required is met by any worker", async () => {
        const { scene, supervisor } = await begin();
        const agentId = await scene.worker(1);
        const taskId = await scene.submit(supervisor, { requiredCapabilities: [], assignTo: agentId });
        expect((await scene.held(taskId)).agentId).toBe(agentId);
      });
    });

    describe("candidates", () => {
      it("are active workers with a free slot", async () => {
        const { scene, supervisor } = await begin();
        const capabilities = [scene.skill];
        for (const role of ["supervisor", "observer", "admin"] as const)
          await scene.register({ role, capabilities, maxConcurrentTasks: 5 });
        const draining = await scene.worker(5);
        await scene.store.heartbeat({ agentId: draining, status: "draining" });
        const gone = await scene.worker(5);
        await scene.store.deregisterAgent(gone);
        await scene.worker(0);
        expect(await choice(scene, supervisor)).toBeUndefined();
        const right = await scene.worker(1);
        expect((await scene.assign(supervisor)).agentId).toBe(right);
        expect(await choice(scene, supervisor)).toBeUndefined();
      });

      it("draining finishes what it has, and gets nothing more", async () => {
        const { scene, supervisor } = await begin();
        const agentId = await scene.worker(2);
        const held = await scene.assign(supervisor);
        await scene.store.heartbeat({ agentId, status: "draining" });
        const waiting = await scene.submit(supervisor);
        await scene.start(held);
        expect((await scene.complete(held)).status).toBe("completed");
        await scene.store.sweep();
        expect((await scene.look(waiting)).status).toBe("pending");
      });

      it("are at most 64: lowest load, then least recently assigned, then id", async () => {
        const { scene, supervisor } = await begin();
        const id = (i: number) => scene.id(`w${String(i).padStart(3, "0")}`);
        for (let i = 69; i >= 0; i--) await scene.worker(1, i >= 64 ? ["wished"] : [], id(i));
        const preview = await scene.store.previewAssignment(
          scene.task(supervisor, { preferredCapabilities: ["wished"] }),
        );
        expect(preview.considered).toHaveLength(64);
        expect(preview.excluded.beyondLimit).toBe(6);
        const expected = Array.from({ length: 64 }, (_, i) => id(i));
        expect(preview.considered.map((candidate) => candidate.agentId)).toEqual(expected);
        expect(preview.chosen).toBe(id(0));
        // Each one that gets a task leaves room among the 64 for the next.
        for (let i = 0; i < 2; i++) await scene.assign(supervisor);
        const next = await scene.store.previewAssignment(scene.task(supervisor, { preferredCapabilities: ["wished"] }));
        expect(next.chosen).toBe(id(64));
        expect(next.excluded).toMatchObject({ noFreeSlot: 2, beyondLimit: 4 });
      });
    });

    describe("among the candidates", () => {
      it("the lowest share of slots in use wins over everything that follows", async () => {
        const { scene, supervisor } = await begin();
        const big = await scene.worker(10, ["wished"]);
        await scene.assign(supervisor, { assignTo: big });
        await scene.assign(supervisor, { assignTo: big });
        const idle = await scene.worker(1, []);
        expect(await choice(scene, supervisor, { preferredCapabilities: ["wished"] })).toBe(idle);
        const half = await scene.worker(2, []);
        await scene.assign(supervisor, { assignTo: half });
        await scene.assign(supervisor, { assignTo: idle });
        // 2 of 10 is less than 1 of 2, though 1 is fewer than 2.
        expect(await choice(scene, supervisor)).toBe(big);
      });

      it("then the most preferred capabilities, versions counting for their name", async () => {
        const { scene, supervisor } = await begin();
        await scene.worker(1, [], scene.id("a"));
        await scene.worker(1, ["x"], scene.id("b"));
        await scene.worker(1, ["x@2", "y"], scene.id("c"));
        const preview = await scene.store.previewAssignment(
          scene.task(supervisor, { preferredCapabilities: ["x", "y", "z"] }),
        );
        expect(preview.considered.map((candidate) => [candidate.agentId, candidate.preferredCapabilities])).toEqual([
          [scene.id("c"), 2],
          [scene.id("b"), 1],
          [scene.id("a"), 0],
        ]);
        expect(await choice(scene, supervisor)).toBe(scene.id("a"));
      });

      it("then the higher (completed + 1) / (completed + failed + 1)", async () => {
        const { scene, supervisor } = await begin();
        const [fails, mixed, fine] = [
          await scene.worker(1, [], scene.id("a")),
          await scene.worker(1, [], scene.id("b")),
          await scene.worker(1, [], scene.id("c")),
        ];
        const run = async (assignTo: string, ok: boolean) => {
          const held = await scene.assign(supervisor, { assignTo });
          await (ok ? scene.complete(held) : scene.fail(held, { retryable: false }));
        };
        await run(fine, true);
        await run(mixed, true);
        await run(mixed, false);
        await run(fails, false);
        const preview = await scene.store.previewAssignment(scene.task(supervisor));
        expect(preview.considered.map((candidate) => candidate.agentId)).toEqual([fine, mixed, fails]);
        const [first, second, third] = preview.considered.map((candidate) => candidate.reliability);
        expect(first).toBeCloseTo(1, 5);
        expect(second).toBeCloseTo(2 / 3, 5);
        expect(third).toBeCloseTo(1 / 2, 5);
      });

      it("each of these wins over all that follow it", async () => {
        const { scene, supervisor } = await begin();
        const run = async (assignTo: string, ok: boolean) => {
          const held = await scene.assign(supervisor, { assignTo });
          await (ok ? scene.complete(held) : scene.fail(held, { retryable: false }));
          scene.advance(SECOND);
        };
        // The one with the wished capability is the worst in everything else; the reliable one was assigned last.
        const [early, reliable, wished] = [
          await scene.worker(1, [], scene.id("a")),
          await scene.worker(1, [], scene.id("b")),
          await scene.worker(1, ["wished"], scene.id("c")),
        ];
        await run(early, false);
        await run(wished, false);
        await run(wished, false);
        await run(reliable, true);
        const order = async (preferredCapabilities: string[]) => {
          const preview = await scene.store.previewAssignment(scene.task(supervisor, { preferredCapabilities }));
          return preview.considered.map((candidate) => candidate.agentId);
        };
        expect(await order(["wished"])).toEqual([wished, reliable, early]);
        expect(await order([])).toEqual([reliable, early, wished]);
      });

      it("then the least recently assigned, never before ever", async () => {
        const { scene, supervisor } = await begin();
        const ids = [scene.id("a"), scene.id("b"), scene.id("c")] as const;
        for (const agentId of ids) await scene.worker(1, [], agentId);
        for (const agentId of [ids[1], ids[0]]) {
          const held = await scene.assign(supervisor, { assignTo: agentId });
          await scene.complete(held);
          scene.advance(SECOND);
        }
        const order = async () => {
          const preview = await scene.store.previewAssignment(scene.task(supervisor));
          return preview.considered.map((candidate) => candidate.agentId);
        };
        // c completed nothing: reliability 1, as the others; it was never assigned.
        expect(await order()).toEqual([ids[2], ids[1], ids[0]]);
        await scene.complete(await scene.assign(supervisor));
        scene.advance(SECOND);
        expect(await order()).toEqual([ids[1], ids[0], ids[2]]);
      });

      it("then the id, byte for byte", async () => {
        const { scene, supervisor } = await begin();
        for (const name of ["b", "a", "C", "Z9"]) await scene.worker(1, [], scene.id(name));
        const preview = await scene.store.previewAssignment(scene.task(supervisor));
        const ids = ["C", "Z9", "a", "b"].map((name) => scene.id(name));
        expect(preview.considered.map((candidate) => candidate.agentId)).toEqual(ids);
      });

      it("but not the agent whose attempt just ended, if another fits", async () => {
        const { scene, supervisor } = await begin();
        const failing = await scene.worker(10, ["wished"]);
        const held = await scene.assign(supervisor, { preferredCapabilities: ["wished"] });
        expect(held.agentId).toBe(failing);
        const other = await scene.worker(2);
        await scene.assign(supervisor, { assignTo: other });
        await scene.fail(held);
        await scene.pass(2 * SECOND);
        expect(await scene.held(held.taskId)).toMatchObject({ agentId: other, attempt: 2 });
        const second = (await scene.assignments(held.taskId)).at(-1);
        const last = second?.considered.at(-1);
        expect(last).toMatchObject({ agentId: failing, endedLastAttempt: true });
        expect(second?.considered[0]).toMatchObject({ agentId: other, endedLastAttempt: false });
        // Only the attempt just before counts: the third may go back.
        await scene.fail(await scene.held(held.taskId));
        await scene.pass(3 * SECOND);
        expect(await scene.held(held.taskId)).toMatchObject({ agentId: failing, attempt: 3 });
      });

      it("and it again when nobody else fits", async () => {
        const { scene, supervisor } = await begin();
        const agentId = await scene.worker(1);
        const held = await scene.assign(supervisor);
        await scene.fail(held);
        await scene.pass(2 * SECOND);
        expect(await scene.held(held.taskId)).toMatchObject({ agentId, attempt: 2 });
      });
    });

    describe("assignTo", () => {
      it("narrows the candidates to one agent, however good the others are", async () => {
        const { scene, supervisor } = await begin();
        const named = await scene.worker(2);
        await scene.assign(supervisor, { assignTo: named });
        const idle = await scene.worker(5, ["wished"]);
        expect(await choice(scene, supervisor)).toBe(idle);
        const held = await scene.assign(supervisor, { assignTo: named, preferredCapabilities: ["wished"] });
        expect(held.agentId).toBe(named);
        expect((await scene.look(held.taskId)).assignTo).toBe(named);
        const waiting = await scene.submit(supervisor, { assignTo: named });
        expect((await scene.look(waiting)).status).toBe("pending");
        const [explained] = await scene.assignments(held.taskId);
        expect(explained?.considered.map((candidate) => candidate.agentId)).toEqual([named]);
        expect(explained?.excluded.notNamed).toBeGreaterThanOrEqual(1);
        await scene.complete(held);
        expect((await scene.held(waiting)).agentId).toBe(named);
      });

      it("still asks for the capabilities", async () => {
        const { scene, supervisor } = await begin();
        const named = await scene.worker(1);
        const taskId = await scene.submit(supervisor, { assignTo: named, requiredCapabilities: [scene.id("rare")] });
        expect((await scene.look(taskId)).status).toBe("pending");
      });

      it("is kept over retries: nobody else gets the task", async () => {
        const { scene, supervisor } = await begin();
        const named = await scene.worker(1);
        const held = await scene.assign(supervisor, { assignTo: named });
        await scene.worker(5);
        await scene.fail(held);
        await scene.pass(2 * SECOND);
        expect(await scene.held(held.taskId)).toMatchObject({ agentId: named, attempt: 2 });
      });

      it("an unknown or deregistered agent is AGENT_NOT_FOUND and creates nothing", async () => {
        const { scene, supervisor } = await begin();
        const gone = await scene.worker();
        await scene.store.deregisterAgent(gone);
        for (const assignTo of [gone, scene.id("nobody")]) {
          const taskId = scene.fresh("t");
          expect(await caught(scene.submit(supervisor, { taskId, assignTo }))).toBe("AGENT_NOT_FOUND");
          expect(await caught(choice(scene, supervisor, { assignTo }))).toBe("AGENT_NOT_FOUND");
          expect(await caught(scene.look(taskId))).toBe("TASK_NOT_FOUND");
        }
      });
    });

    describe("capacity", () => {
      it("is never exceeded, however many assign at once", async () => {
        const { scene, supervisor } = await begin();
        const workers = [await scene.worker(1), await scene.worker(2), await scene.worker(4)];
        const ids = await Promise.all(Array.from({ length: 20 }, () => scene.submit(supervisor)));
        const tasks = await Promise.all(ids.map((taskId) => scene.look(taskId)));
        const assigned = tasks.filter((task) => task.status === "assigned");
        expect(assigned).toHaveLength(7);
        expect(tasks.filter((task) => task.status === "pending")).toHaveLength(13);
        for (const [i, capacity] of [1, 2, 4].entries()) {
          const agentId = workers[i];
          expect(assigned.filter((task) => task.assignedTo === agentId)).toHaveLength(capacity);
          expect((await scene.store.getAgent(agentId ?? "")).activeTasks).toBe(capacity);
        }
      });

      it("holds while tasks end, fail, and are assigned at once", async () => {
        const { scene, supervisor } = await begin();
        const worker = await scene.worker(3);
        const ids = await Promise.all(Array.from({ length: 12 }, () => scene.submit(supervisor, { maxRetries: 0 })));
        for (let round = 0; round < 12; round++) {
          const tasks = await Promise.all(ids.map((taskId) => scene.look(taskId)));
          const live = tasks.filter((task) => task.status === "assigned" || task.status === "running");
          expect(live.length).toBe((await scene.store.getAgent(worker)).activeTasks);
          expect(live.length).toBeLessThanOrEqual(3);
          if (live.length === 0) break;
          const calls = live.map(async (task, i) => {
            const held = await scene.held(task.taskId);
            return await (i % 2 === 0 ? scene.complete(held) : scene.fail(held));
          });
          await Promise.all([...calls, scene.store.sweep()]);
        }
        const ends = await Promise.all(ids.map(async (taskId) => (await scene.look(taskId)).status));
        expect(ends.every((status) => status === "completed" || status === "failed")).toBe(true);
      });
    });

    describe("preview", () => {
      it("is what assigning does next, and writes nothing", async () => {
        const { scene, supervisor } = await begin();
        const workers = [await scene.worker(2), await scene.worker(3)];
        await scene.assign(supervisor);
        const task = scene.task(supervisor, { taskId: scene.id("t"), preferredCapabilities: ["x"] });
        const agents = async () => await Promise.all(workers.map((agentId) => scene.store.getAgent(agentId)));
        const before = await agents();
        const preview = await scene.store.previewAssignment(task);
        expect(await agents()).toEqual(before);
        expect(await caught(scene.look(task.taskId))).toBe("TASK_NOT_FOUND");
        expect((await scene.store.assignTask(task)).assignedTo).toBe(preview.chosen);
        const { policy, chosen, considered, excluded } = only(await scene.assignments(task.taskId));
        expect({ policy, chosen, considered, excluded }).toEqual(preview);
      });

      it("has the refusals of assigning", async () => {
        const { scene } = await begin();
        const preview = (supervisor: string, options = {}) =>
          caught(scene.store.previewAssignment(scene.task(supervisor, options)));
        expect(await preview(scene.id("nobody"))).toBe("AGENT_NOT_FOUND");
        expect(await preview(await scene.agent("worker"))).toBe("FORBIDDEN");
        const supervisor = await scene.supervisor();
        expect(await preview(supervisor, { dependsOn: [scene.id("none")] })).toBe("DEPENDENCY_INVALID");
      });
    });

    describe("the explanation", () => {
      it("lists every attempt, oldest first, with what was weighed", async () => {
        const { scene, supervisor } = await begin();
        const worker = await scene.worker(4);
        await scene.assign(supervisor);
        const held = await scene.assign(supervisor);
        await scene.fail(held);
        await scene.pass(2 * SECOND);
        const second = await scene.held(held.taskId);
        const [first, last] = await scene.assignments(held.taskId);
        expect(first).toMatchObject({ attempt: 1, chosen: worker, outcome: "failed" });
        expect(first?.policy.length).toBeGreaterThan(0);
        expect(at(first?.endedAt)).toBeGreaterThanOrEqual(at(first?.assignedAt));
        expect(only(first?.considered ?? [])).toMatchObject({
          agentId: worker,
          activeTasks: 1,
          maxConcurrentTasks: 4,
          load: 0.25,
          preferredCapabilities: 0,
          reliability: 1,
          completed: 0,
          failed: 0,
          lost: 0,
          endedLastAttempt: false,
        });
        expect(last).toMatchObject({ attempt: 2, chosen: worker });
        expect(last).not.toHaveProperty("outcome");
        expect(only(last?.considered ?? [])).toMatchObject({
          activeTasks: 1,
          reliability: 0.5,
          completed: 0,
          failed: 1,
          lost: 0,
          endedLastAttempt: true,
        });
        await scene.complete(second);
        expect((await scene.assignments(held.taskId)).map((item) => item.outcome)).toEqual(["failed", "completed"]);
      });

      it("is empty for a task that nobody got", async () => {
        const { scene, supervisor } = await begin();
        expect(await scene.assignments(await scene.submit(supervisor))).toEqual([]);
      });

      it("counts why others fell out, each for one reason", async () => {
        const { scene, supervisor } = await begin();
        const explain = async (): Promise<Explanation> => await scene.store.previewAssignment(scene.task(supervisor));
        const changes: [keyof Explanation["excluded"], () => Promise<unknown>][] = [
          ["missingCapability", () => scene.register({ role: "worker", capabilities: [scene.id("other")] })],
          ["notActive", async () => scene.store.heartbeat({ agentId: await scene.worker(2), status: "draining" })],
          ["noFreeSlot", () => scene.worker(0)],
          [
            "noFreeSlot",
            async () => {
              const agentId = await scene.worker(1);
              await scene.assign(supervisor, { assignTo: agentId });
            },
          ],
        ];
        for (const [reason, change] of changes) {
          const before = await explain();
          await change();
          const after = await explain();
          expect(after.excluded).toEqual({ ...before.excluded, [reason]: before.excluded[reason] + 1 });
          expect(after.considered).toEqual([]);
        }
        const before = await explain();
        await scene.store.deregisterAgent(await scene.worker(1));
        await scene.register({ role: "observer", capabilities: [scene.skill] });
        expect((await explain()).excluded).toEqual(before.excluded);
      });

      it("stays as it was when the fleet changes", async () => {
        const { scene, supervisor } = await begin();
        await scene.worker(2);
        const held = await scene.assign(supervisor);
        const before = await scene.assignments(held.taskId);
        await scene.worker(9);
        scene.advance(HOUR);
        await scene.assign(supervisor);
        expect(await scene.assignments(held.taskId)).toEqual(before);
      });
    });
  });
}
