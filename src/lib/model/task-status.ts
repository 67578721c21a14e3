import { z } from "zod";

/** The states of a task. */

/** blocked → pending → assigned → running → completed | failed | cancelled; running ⇄ input_required, while a question is open */
export const TASK_STATUSES = [
  "blocked",
  "pending",
  "assigned",
  "running",
  "input_required",
  "completed",
  "failed",
  "cancelled",
] as const;
export const taskStatusSchema = z.enum(TASK_STATUSES);
export type TaskStatus = z.infer<typeof taskStatusSchema>;
