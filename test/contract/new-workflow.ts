import { planWorkflow } from "../../src/lib/domain/tasks/workflow-plan.ts";
import { requestHash } from "../../src/lib/model/ids.ts";
import { type CreateWorkflowInput, createWorkflowSchema } from "../../src/lib/model/workflow.ts";
import type { NewWorkflow } from "../../src/lib/store/store.ts";
import { newTask, type Scene } from "./support.ts";

export type WorkflowTasks = CreateWorkflowInput["tasks"];
export type WorkflowOptions = Partial<Omit<CreateWorkflowInput, "tasks">>;

/** A workflow as the domain hands it to the store, of tasks of the scene's skill unless they say otherwise. */
export function newWorkflow(
  scene: Scene,
  supervisor: string,
  tasks: WorkflowTasks,
  options: WorkflowOptions = {},
  idempotencyKey?: string,
): NewWorkflow {
  const body = createWorkflowSchema.parse({ supervisor, tasks, ...options });
  const { workflowId = scene.fresh("w"), ...rest } = body;
  const planned = planWorkflow(body, () => scene.fresh("t")).map(({ task, taskId, dependsOn, stops }) => {
    const { ref, question, requiredCapabilities, ...work } = task;
    const skills = question === undefined && requiredCapabilities.length === 0 ? [scene.skill] : requiredCapabilities;
    const asked = question === undefined ? {} : { question };
    const input = { ...work, ...asked, supervisor: body.supervisor, taskId, dependsOn, requiredCapabilities: skills };
    return { ...newTask(input), ref, stops };
  });
  return { ...rest, workflowId, tasks: planned, requestHash: requestHash(rest), idempotencyKey };
}
