import { z } from "zod";
import { DEPENDENCIES_MAX, WORKFLOW_DEPENDENCIES_MAX } from "./limits.ts";
import { idSchema } from "./values.ts";

/** What tasks wait for: that other tasks complete, end in whatever way, or fail. */

/**
 * - `completed`: the other task completes.
 * - `ended`: it ends, whichever way.
 * - `failed`: it fails or is cancelled. So a compensation is a task that waits for a failure.
 */
export const DEPENDENCY_CONDITIONS = ["completed", "ended", "failed"] as const;
export const dependencyConditionSchema = z.enum(DEPENDENCY_CONDITIONS);
export type DependencyCondition = z.output<typeof dependencyConditionSchema>;

/** A task that is waited for and how it has to end. */
export interface TaskDependency {
  taskId: string;
  when: DependencyCondition;
}

/** The id of a task that has to complete, or `{taskId, when}`. */
export const dependencySchema = z.union([
  idSchema,
  z.strictObject({ taskId: idSchema, when: dependencyConditionSchema.default("completed") }),
]);
export type DependencyInput = z.input<typeof dependencySchema>;
export type Dependency = z.output<typeof dependencySchema>;

/** At most DEPENDENCIES_MAX; a task that is named twice counts once, and under one condition. */
export const dependsOnSchema = z
  .array(dependencySchema)
  .max(DEPENDENCIES_MAX)
  .superRefine((list, context) => {
    const conditions = new Map<string, DependencyCondition>();
    for (const [index, { taskId, when }] of list.map(readDependency).entries()) {
      const other = conditions.get(taskId) ?? when;
      if (other !== when) {
        context.addIssue({ code: "custom", path: [index], message: `names ${taskId} under two conditions` });
      }
      conditions.set(taskId, when);
    }
  });

/** Says that tasks which are created together have too many dependencies. @param path where the tasks stand in the request */
export function boundedDependencies(
  tasks: readonly { dependsOn: readonly unknown[] }[],
  path: string[],
  context: z.RefinementCtx,
): void {
  const count = tasks.reduce((sum, { dependsOn }) => sum + dependsOn.length, 0);
  if (count <= WORKFLOW_DEPENDENCIES_MAX) return;
  const message = `must have at most ${WORKFLOW_DEPENDENCIES_MAX} dependencies in all; a task between may wait for many and be waited for by many`;
  context.addIssue({ code: "custom", path, message });
}

/** The dependency, however it was written. */
export function readDependency(dependency: Dependency): TaskDependency {
  return typeof dependency === "string" ? { taskId: dependency, when: "completed" } : dependency;
}

/** As it is shown: by its id alone where it has to complete. @example writeDependency({ taskId: "a", when: "completed" }) // "a" */
export function writeDependency({ taskId, when }: TaskDependency): Dependency {
  return when === "completed" ? taskId : { taskId, when };
}

/** Each once, in the order of their first mention. */
export function distinctDependencies(list: readonly Dependency[]): TaskDependency[] {
  const byId = new Map<string, TaskDependency>();
  for (const dependency of list.map(readDependency)) byId.set(dependency.taskId, dependency);
  return [...byId.values()];
}
