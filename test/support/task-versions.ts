import type { Scene } from "../contract/support.ts";

/** Ways through the life of a task, with the version and last outcome that each engine keeps in its row then. */

/** What the row of a task says. */
export interface TaskState {
  status: string;
  version: number;
  last_outcome: string | null;
}

interface Way {
  name: string;
  /** @returns the id of the task */
  go(scene: Scene): Promise<string>;
  state: TaskState;
}

async function assigned(scene: Scene) {
  const supervisor = await scene.supervisor();
  await scene.worker(1);
  return scene.assign(supervisor);
}

/** One that is settled by the end of another. */
async function dependent(scene: Scene, settle: "complete" | "fail"): Promise<string> {
  const first = await assigned(scene);
  const taskId = await scene.submit(await scene.supervisor(), { dependsOn: [first.taskId] });
  if (settle === "complete") await scene.complete(first);
  else await scene.fail(first, { retryable: false });
  return taskId;
}

export const WAYS: readonly Way[] = [
  {
    name: "waits for an agent",
    go: async (scene) => scene.submit(await scene.supervisor()),
    state: { status: "pending", version: 1, last_outcome: null },
  },
  {
    name: "is assigned when it is created",
    go: async (scene) => (await assigned(scene)).taskId,
    state: { status: "assigned", version: 1, last_outcome: null },
  },
  {
    name: "waits, is handed out and completes without a start",
    go: async (scene) => {
      const taskId = await scene.submit(await scene.supervisor());
      await scene.worker(1);
      await scene.complete(await scene.held(taskId));
      return taskId;
    },
    state: { status: "completed", version: 3, last_outcome: "completed" },
  },
  {
    name: "starts, reports a percentage, then a note alone, and completes",
    go: async (scene) => {
      const held = await assigned(scene);
      await scene.start(held);
      await scene.start(held);
      await scene.progress(held, { percent: 10 });
      await scene.progress(held, { note: "on the way" });
      await scene.complete(held);
      return held.taskId;
    },
    state: { status: "completed", version: 4, last_outcome: "completed" },
  },
  {
    name: "starts by a report that moves its deadline",
    go: async (scene) => {
      const held = await assigned(scene);
      await scene.progress(held, { extendSeconds: 3_000 });
      return held.taskId;
    },
    state: { status: "running", version: 3, last_outcome: null },
  },
  {
    name: "fails and waits for another try",
    go: async (scene) => {
      const held = await assigned(scene);
      await scene.fail(held);
      return held.taskId;
    },
    state: { status: "pending", version: 2, last_outcome: "failed" },
  },
  {
    name: "is cancelled while it waits",
    go: async (scene) => {
      const taskId = await scene.submit(await scene.supervisor());
      await scene.store.cancelTask(taskId, undefined);
      return taskId;
    },
    state: { status: "cancelled", version: 2, last_outcome: null },
  },
  {
    name: "is cancelled before its start",
    go: async (scene) => {
      const { taskId } = await assigned(scene);
      await scene.store.cancelTask(taskId, "no need");
      return taskId;
    },
    state: { status: "cancelled", version: 2, last_outcome: "cancelled" },
  },
  {
    name: "is asked twice to stop while it runs, and fails",
    go: async (scene) => {
      const held = await assigned(scene);
      await scene.start(held);
      await scene.store.cancelTask(held.taskId, "enough");
      await scene.store.cancelTask(held.taskId, "enough");
      await scene.fail(held);
      return held.taskId;
    },
    state: { status: "cancelled", version: 4, last_outcome: "cancelled" },
  },
  {
    name: "is unblocked and handed out",
    go: (scene) => dependent(scene, "complete"),
    state: { status: "assigned", version: 3, last_outcome: null },
  },
  {
    name: "fails with what it depends on",
    go: (scene) => dependent(scene, "fail"),
    state: { status: "failed", version: 2, last_outcome: null },
  },
  {
    name: "depends on what has failed already",
    go: async (scene) => {
      const first = await assigned(scene);
      await scene.fail(first, { retryable: false });
      return scene.submit(await scene.supervisor(), { dependsOn: [first.taskId] });
    },
    state: { status: "failed", version: 2, last_outcome: null },
  },
  {
    name: "loses its agent, and another one gets it",
    go: async (scene) => {
      const { taskId, agentId } = await assigned(scene);
      await scene.worker(1);
      await scene.store.deregisterAgent(agentId);
      return taskId;
    },
    state: { status: "assigned", version: 3, last_outcome: "released" },
  },
];
