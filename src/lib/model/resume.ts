import { z } from "zod";
import { questionIdSchema } from "./question.ts";
import { idSchema } from "./values.ts";

/** What an attempt after a suspension is told. */

export const RESUME_REASONS = ["answered", "time"] as const;

/** What woke a task, and what it left for itself. Every attempt gets the last one, until the task suspends again or ends. */
export const resumeSchema = z.object({
  reason: z.enum(RESUME_REASONS),
  checkpoint: z.json().optional(),
  /** Of a question. */
  questionId: questionIdSchema.optional(),
  answer: z.json().optional(),
  /** `system`: nobody answered in time, and the default was taken. */
  answeredBy: idSchema.optional(),
  /** True when checkpoint and answer are left out because the message would be too large: `GET /tasks/{taskId}` has them. */
  truncated: z.boolean().optional(),
});
export type Resume = z.output<typeof resumeSchema>;
