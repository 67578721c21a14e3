import type { z } from "zod";
import { ChildTasks } from "../../src/lib/domain/tasks/child-tasks.ts";
import { type ChildTask, childTasksSchema } from "../../src/lib/model/child.ts";
import { requestHash } from "../../src/lib/model/ids.ts";
import type { SuspendReply } from "../../src/lib/model/suspension.ts";
import { withoutKeys } from "../../src/lib/security/content-encryption.ts";
import type { NewChild } from "../../src/lib/store/store.ts";
import type { Held, Scene } from "./support.ts";

export type Children = z.input<typeof childTasksSchema>;

/** Children as the domain hands them to the store, of the scene's skill. */
async function prepared(scene: Scene, children: Children): Promise<NewChild[]> {
  const { store } = scene;
  const tasks = new ChildTasks({ store, encryption: withoutKeys, defaultTimeoutSeconds: 300, maxRetries: 3 });
  const skilled = childTasksSchema.parse(children).map(
    (child): ChildTask => ({
      ...child,
      requiredCapabilities: child.requiredCapabilities?.length ? child.requiredCapabilities : [scene.skill],
      taskId: child.taskId ?? scene.fresh("c"),
    }),
  );
  return await tasks.prepare(skilled, undefined);
}

/** Suspends an attempt until children have ended, which it makes. */
export async function divide(scene: Scene, held: Held, children: Children, checkpoint?: number): Promise<SuspendReply> {
  const { agentId, attempt } = held;
  return await scene.store.suspendTask(held.taskId, {
    agentId,
    attempt,
    checkpoint: checkpoint === undefined ? undefined : { value: checkpoint },
    until: { tasks: await prepared(scene, children) },
    untilHash: requestHash(children),
  });
}
