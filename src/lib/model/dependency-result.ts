import { z } from "zod";
import { taskStatusSchema } from "./task-status.ts";
import { idSchema } from "./values.ts";

/** What is told of a task to the one that has waited for it. */

/** How a task has ended that another one depends on or has made, and with what. */
export const dependencyResultSchema = z.object({
  /** Its name in the workflow that both are tasks of, or the one that its parent gave it. */
  ref: idSchema.optional(),
  taskId: idSchema,
  /** That of a task which has ended, unless it has been retried since. */
  status: taskStatusSchema,
  result: z.json().optional(),
  error: z.string().optional(),
  /** True: it has a result or an error that is not told here, mostly for want of room. `GET /tasks/{taskId}` has it. */
  truncated: z.boolean().optional(),
});
export type DependencyResult = z.infer<typeof dependencyResultSchema>;
