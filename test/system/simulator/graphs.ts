import { DEPENDENCY_CONDITIONS, type DependencyCondition } from "../../../src/lib/model/dependency.ts";
import type { CreateWorkflowInput } from "../../../src/lib/model/workflow.ts";
import type { Random } from "../../support/random.ts";
import type { World } from "./actor.ts";

/** Random graphs of tasks that wait for each other. */

/** Of number `index` of a call: it waits for some of those before it, under any condition. */
export function dependenciesAmong(random: Random, index: number): { ref: string; when: DependencyCondition }[] {
  const earlier = Array.from({ length: index }, (_, i) => i).filter(() => random.chance(0.35));
  return earlier.map((i) => ({ ref: `r${i}`, when: random.pick(["completed", ...DEPENDENCY_CONDITIONS]) }));
}

/** A workflow of two to seven tasks and gates; the same id and tasks again where the call is repeated. */
export function randomWorkflow({ random, scene, workers }: World, supervisor: string): CreateWorkflowInput {
  const workflowId = scene.fresh("flow");
  const tasks = Array.from({ length: random.between(2, 7) }, (_, i) => {
    const common = { ref: `r${i}`, taskId: `${workflowId}.${i}`, dependsOn: dependenciesAmong(random, i) };
    if (random.chance(0.15)) {
      const askedOf = random.some(workers).slice(0, 2);
      const question = { text: "Go on?", timeoutSeconds: 300, ...(askedOf.length > 0 ? { askedOf } : {}) };
      return { ...common, taskType: "gate", question };
    }
    return {
      ...common,
      taskType: random.pick(["work", "split"]),
      requiredCapabilities: [scene.skill, ...random.some(["read"])],
      timeoutSeconds: random.pick([20, 60, 300]),
      maxRetries: random.between(0, 2),
      children: { taskTypes: ["split", "work"] },
    };
  });
  return {
    workflowId,
    supervisor,
    tasks,
    onFailure: random.pick(["stop", "continue"]),
    notify: random.pick(["each", "end", "none"]),
  };
}
