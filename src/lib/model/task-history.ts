import { z } from "zod";
import { idSchema, instantSchema, nextCursorSchema, pageQueryShape } from "./values.ts";

/** The history of a task: what happened to it, and when. */

export const TASK_EVENTS = [
  "created",
  "unblocked",
  "assigned",
  "started",
  "progress",
  "requeued",
  "suspended",
  "asked",
  "answered",
  "question_timed_out",
  "cancel_requested",
  "completed",
  "failed",
  "cancelled",
  "reopened",
] as const;
export const taskEventSchema = z.object({
  event: z.enum(TASK_EVENTS),
  at: instantSchema,
  attempt: z.int(),
  agentId: idSchema.optional(),
  detail: z.string().optional(),
});
export type TaskEvent = z.infer<typeof taskEventSchema>;
export const taskHistoryQuerySchema = z.strictObject({ ...pageQueryShape });
export const taskHistoryReplySchema = z.object({ events: z.array(taskEventSchema), nextCursor: nextCursorSchema });
