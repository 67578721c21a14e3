import { z } from "zod";
import { idSchema, instantSchema } from "./values.ts";

/** Why a task went to this worker and to no other. */

/** Why others were not considered at all. Counts, not names: the fleet may be large. */
export const exclusionsSchema = z.object({
  /** Registered workers (draining and inactive ones included) that lack a required capability. */
  missingCapability: z.int(),
  /** Capable, but draining or inactive. */
  notActive: z.int(),
  /** Capable and active, without a free slot. */
  noFreeSlot: z.int(),
  /** Could have taken it, but ranked behind the first 64. */
  beyondLimit: z.int(),
  /** Workers other than the one that `assignTo` names. */
  notNamed: z.int(),
});
export type Exclusions = z.infer<typeof exclusionsSchema>;

export const candidateSchema = z.object({
  agentId: idSchema,
  activeTasks: z.int(),
  maxConcurrentTasks: z.int(),
  /** activeTasks / maxConcurrentTasks before this assignment. */
  load: z.number(),
  /** How many of the preferred capabilities it has. */
  preferredCapabilities: z.int(),
  /** (completed + 1) / (completed + failed + lost + 1) */
  reliability: z.number(),
  /** Its attempts of the last 30 days: completed, reported as failed, lost by silence or timeout. Absent in explanations of earlier versions. */
  completed: z.int().optional(),
  failed: z.int().optional(),
  lost: z.int().optional(),
  lastAssignedAt: instantSchema.optional(),
  /** True for the agent whose attempt just ended: taken only if nobody else fits. */
  endedLastAttempt: z.boolean(),
  /** True for the agent that suspended the task: taken first. */
  suspendedLastAttempt: z.boolean().optional(),
});
export type Candidate = z.infer<typeof candidateSchema>;

/** What an assignment weighed, best candidate first. `chosen` is absent when nobody fitted. */
export const explanationSchema = z.object({
  policy: z.string(),
  chosen: idSchema.optional(),
  considered: z.array(candidateSchema),
  excluded: exclusionsSchema,
});
export type Explanation = z.infer<typeof explanationSchema>;
