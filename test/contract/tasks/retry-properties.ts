import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, type Scene } from "../support.ts";

type When = "completed" | "ended" | "failed";
type Act = "complete" | "fail" | "cancel" | "retry";

const TASKS = 8;
const nat = (max: number) => fc.nat({ max });
const graph = fc.array(
  fc.array(fc.record({ on: nat(TASKS), when: fc.constantFrom<When>("completed", "completed", "ended", "failed") }), {
    maxLength: 3,
  }),
  { minLength: 2, maxLength: TASKS },
);
const acts = fc.array(
  fc.record({ act: fc.constantFrom<Act>("complete", "fail", "fail", "cancel", "retry", "retry"), task: nat(TASKS) }),
  { maxLength: 25 },
);

const FINAL = new Set(["completed", "failed", "cancelled"]);
const FOLLOWED = new Set(["DEPENDENCY_FAILED", "NOT_NEEDED"]);

/** Random graphs whose tasks complete, fail, are cancelled and retried: after every step nothing is lost or waits in vain. */
export function retryProperties(open: StoreFactory, numRuns: number, seed?: number): void {
  describe("whatever is retried of whatever graph", () => {
    it("no task waits for what has ended, none stays ended without a reason, and every count is right", async () => {
      await fc.assert(
        fc.asyncProperty(graph, acts, (dependencies, steps) =>
          withStore(open, {}, async (scene) => {
            const world = await World.create(scene, dependencies);
            for (const { act, task } of steps) {
              await world.act(act, task);
              await world.check();
            }
            await world.finish();
          }),
        ),
        seed === undefined ? { numRuns } : { numRuns, seed },
      );
    }, 600_000);
  });
}

interface Known {
  taskId: string;
  waits: { on: string; when: When }[];
}

class World {
  readonly #scene: Scene;
  readonly #tasks: Known[] = [];

  private constructor(scene: Scene) {
    this.#scene = scene;
  }

  static async create(scene: Scene, graph: readonly (readonly { on: number; when: When }[])[]): Promise<World> {
    const world = new World(scene);
    const supervisor = await scene.supervisor();
    await scene.worker(TASKS * 2);
    for (const [index, edges] of graph.entries()) {
      const waits = new Map<string, When>();
      for (const { on, when } of edges) {
        const earlier = index === 0 ? undefined : world.#tasks[on % index];
        if (earlier !== undefined && !waits.has(earlier.taskId)) waits.set(earlier.taskId, when);
      }
      const dependsOn = [...waits].map(([taskId, when]) => ({ taskId, when }));
      const taskId = await scene.submit(supervisor, { dependsOn });
      world.#tasks.push({ taskId, waits: dependsOn.map(({ taskId: on, when }) => ({ on, when })) });
    }
    return world;
  }

  async act(act: Act, index: number): Promise<void> {
    const { store } = this.#scene;
    const known = this.#tasks[index % this.#tasks.length];
    if (known === undefined) return;
    const { taskId } = known;
    if (act === "cancel") await caught(store.cancelTask(taskId, "no"));
    else if (act === "retry") {
      const before = await this.#read();
      const code = await caught(store.retryTask(taskId, undefined));
      // Refused is refused: nothing has changed.
      if (code !== "accepted") expect([code, await this.#read()]).toEqual(["TASK_ENDED", before]);
    } else {
      const { status } = await this.#scene.look(taskId);
      if (status !== "assigned") return;
      const held = await this.#scene.held(taskId);
      if (act === "complete") await this.#scene.complete(held);
      else await this.#scene.fail(held, { retryable: false });
    }
  }

  async #read() {
    return new Map(
      await Promise.all(this.#tasks.map(async ({ taskId }) => [taskId, await this.#scene.look(taskId)] as const)),
    );
  }

  async check(): Promise<void> {
    const tasks = await this.#read();
    const counts: Record<string, number> = {};
    let failed = 0;
    let notNeeded = 0;
    for (const { taskId, waits } of this.#tasks) {
      const task = tasks.get(taskId);
      if (task === undefined) throw new Error(`${taskId} is gone`);
      counts[task.status] = (counts[task.status] ?? 0) + 1;
      if (task.status === "failed") failed += 1;
      if (task.error === "NOT_NEEDED") notNeeded += 1;
      const ends = waits.map(({ on, when }) => {
        const { status = "pending", error } = tasks.get(on) ?? {};
        if (!FINAL.has(status)) return "open";
        const end = status === "completed" ? status : error === "NOT_NEEDED" ? "not needed" : "failed";
        return when === "ended" || when === end ? "met" : "lost";
      });
      // Only those of a finished compensation stay ended without a lost condition.
      const begun = this.#tasks.some(({ taskId: other, waits: theirs }) => {
        const waitsForFailure = theirs.some(({ on, when }) => on === taskId && when === "failed");
        return waitsForFailure && (tasks.get(other)?.attempt ?? 0) > 0;
      });
      const says = `${taskId} is ${task.status} (${task.error}); ${JSON.stringify(waits)}: ${ends}`;
      if (task.status === "blocked")
        expect([says, ends.includes("open"), ends.includes("lost")]).toEqual([says, true, false]);
      if (task.status === "assigned" && task.attempt === 1)
        expect([says, ends.includes("lost")]).toEqual([says, false]);
      if (FOLLOWED.has(task.error ?? "") && !begun) expect([says, ends.includes("lost")]).toEqual([says, true]);
    }
    const { byStatus, metrics } = await this.#scene.store.coordinationStatistics();
    expect(Object.fromEntries(Object.entries(byStatus).filter(([, count]) => count > 0))).toEqual(counts);
    expect([metrics.tasksFailed, metrics.tasksNotNeeded]).toEqual([failed, notNeeded]);
  }

  /** Whoever works on everything comes to an end: no task waits for ever. */
  async finish(): Promise<void> {
    for (let round = 0; round <= TASKS; round += 1) {
      for (const index of this.#tasks.keys()) await this.act("complete", index);
    }
    const open = [...(await this.#read()).values()].filter(({ status }) => !FINAL.has(status));
    expect(open.map(({ taskId, status }) => [taskId, status])).toEqual([]);
  }
}
