import { z } from "zod";
import { dependencyResultSchema } from "./dependency-result.ts";
import { questionIdSchema } from "./question.ts";
import { idSchema } from "./values.ts";

/** What an attempt after a suspension is told. */

export const RESUME_REASONS = ["answered", "time", "children_ended"] as const;
export const resumeReasonSchema = z.enum(RESUME_REASONS);
export type ResumeReason = z.output<typeof resumeReasonSchema>;

/** What woke a task, and what it left for itself. Every attempt gets the last one, until the task suspends again or ends. */
export const resumeSchema = z.object({
  reason: resumeReasonSchema,
  checkpoint: z.json().optional(),
  /** Of a question. */
  questionId: questionIdSchema.optional(),
  answer: z.json().optional(),
  /** `system`: nobody answered in time, and the default was taken. */
  answeredBy: idSchema.optional(),
  /** Of children that have ended, in the order of the call that made them. They share the room of `dependencies`, and come behind them. */
  children: z.array(dependencyResultSchema).optional(),
});
export type Resume = z.output<typeof resumeSchema>;
