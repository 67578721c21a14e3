import { z } from "zod";
import { boundedDependencies, DEPENDENCY_CONDITIONS } from "./dependency.ts";
import { CHILDREN_MAX, DEPENDENCIES_MAX } from "./limits.ts";
import { assignTaskShape } from "./task.ts";
import { idSchema, prioritySchema } from "./values.ts";

/** The vocabulary of children: tasks that a worker makes by suspending its own until they have ended. */

const {
  supervisor: _supervisor,
  dependsOn: _dependsOn,
  parentTaskId: _parentTaskId,
  assignTo: _assignTo,
  question: _question,
  priority: _priority,
  ...childShape
} = assignTaskShape;

/** The ref of another child of the same call, with or without a condition. */
export const siblingSchema = z.union([
  idSchema,
  z.strictObject({ ref: idSchema, when: z.enum(DEPENDENCY_CONDITIONS).default("completed") }),
]);

/** What `POST /tasks` takes, without supervisor, assignTo, parentTaskId and question: its supervisor is that of its parent. */
export const childTaskSchema = z.strictObject({
  ...childShape,
  /** Its name among the children of the call, and in `resume.children`. */
  ref: idSchema.optional(),
  /** At most that of the parent, which is the default. */
  priority: prioritySchema.optional(),
  dependsOn: z.array(siblingSchema).max(DEPENDENCIES_MAX).default([]),
});
export type ChildTask = z.output<typeof childTaskSchema>;

/** Each ref and each id once. */
export const childTasksSchema = z
  .array(childTaskSchema)
  .min(1)
  .max(CHILDREN_MAX)
  .superRefine((tasks, context) => boundedDependencies(tasks, [], context))
  .superRefine((tasks, context) => {
    for (const name of ["ref", "taskId"] as const) {
      const seen = new Set<string>();
      for (const [index, task] of tasks.entries()) {
        const value = task[name];
        if (value === undefined) continue;
        if (seen.has(value))
          context.addIssue({ code: "custom", path: [index, name], message: "is that of an earlier task" });
        seen.add(value);
      }
    }
  });
