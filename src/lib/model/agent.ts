import { z } from "zod";
import {
  CAPABILITIES_MAX,
  CONCURRENT_TASKS_MAX,
  HEARTBEAT_TIMEOUT_MAX_SECONDS,
  HEARTBEAT_TIMEOUT_MIN_SECONDS,
  METADATA_MAX_BYTES,
} from "./limits.ts";
import {
  attemptSchema,
  capabilitySchema,
  idSchema,
  instantSchema,
  jsonObjectSchema,
  pageQueryShape,
} from "./values.ts";

/** The vocabulary of agents: what they send when they register and beat, and how they read. */

export const AGENT_ROLES = ["supervisor", "worker", "observer", "admin"] as const;
export const agentRoleSchema = z.enum(AGENT_ROLES);
export type AgentRole = z.infer<typeof agentRoleSchema>;

/**
 * active: takes work · draining: finishes what it has · inactive: silent past its heartbeat timeout ·
 * deregistered: gone until it registers again.
 */
export const AGENT_STATUSES = ["active", "draining", "inactive", "deregistered"] as const;
export const agentStatusSchema = z.enum(AGENT_STATUSES);
export type AgentStatus = z.infer<typeof agentStatusSchema>;

/** The sender of messages that the switchboard writes itself. No agent may register under it. */
export const SYSTEM_SENDER = "system";

/** Reserved in any case: `System` in a list would be taken for the switchboard. */
export const agentIdSchema = idSchema.refine(
  (id) => id.toLowerCase() !== SYSTEM_SENDER,
  `"${SYSTEM_SENDER}" is reserved, in any case`,
);

export const maxConcurrentTasksSchema = z.int().min(0).max(CONCURRENT_TASKS_MAX);

/** How long an agent may say nothing before it is inactive: 10 seconds to 24 hours. */
export const heartbeatTimeoutSchema = z
  .int()
  .min(HEARTBEAT_TIMEOUT_MIN_SECONDS)
  .max(HEARTBEAT_TIMEOUT_MAX_SECONDS)
  .describe("Seconds of silence after which the agent is inactive; left out: the setting of the service.");

/** `POST /agents`. Capabilities are a set: repeats are dropped and order means nothing. */
export const registerAgentSchema = z.strictObject({
  agentId: agentIdSchema,
  role: agentRoleSchema,
  capabilities: z.array(capabilitySchema).max(CAPABILITIES_MAX).default([]),
  maxConcurrentTasks: maxConcurrentTasksSchema.default(1),
  heartbeatTimeoutSeconds: heartbeatTimeoutSchema.optional(),
  metadata: jsonObjectSchema(METADATA_MAX_BYTES).optional(),
});
export type RegisterAgentInput = z.input<typeof registerAgentSchema>;
export type RegisterAgent = z.output<typeof registerAgentSchema>;

/** What an agent did in the last 30 days. Counts and mean are live; p95 and the window move with daily maintenance. */
export const agentPerformanceSchema = z.object({
  completed: z.int(),
  /** Attempts that the agent has reported as failed. */
  failed: z.int(),
  /** Attempts that it has lost: by silence, past their deadline, or released. */
  lost: z.int(),
  /** Of the lost ones, those that were given back, by leaving or by not starting in time; they do not weigh when a worker is chosen. */
  released: z.int(),
  /** completed / (completed + failed + lost - released); null before the first. */
  successRate: z.number().nullable(),
  /** Of completed attempts, from assignment to completion. */
  meanDurationSeconds: z.number().nullable(),
  p95DurationSeconds: z.number().nullable(),
});

export const agentSchema = z.object({
  agentId: idSchema,
  role: agentRoleSchema,
  capabilities: z.array(z.string()),
  maxConcurrentTasks: z.int(),
  /** Its own, given at registration; absent: the setting of the service counts. */
  heartbeatTimeoutSeconds: z.int().optional(),
  metadata: z.record(z.string(), z.json()).optional(),
  status: agentStatusSchema,
  /** Tasks assigned or running now; always equal to the live assignments. */
  activeTasks: z.int(),
  registeredAt: instantSchema,
  lastHeartbeatAt: instantSchema,
  performance: agentPerformanceSchema,
});
export type Agent = z.infer<typeof agentSchema>;

export const registerAgentReplySchema = z.object({
  agent: agentSchema,
  /** The agent's own token, when an enrolment key has created it; shown this once. */
  token: z.string().optional(),
});

/** `GET /agents` */
export const listAgentsQuerySchema = z.strictObject({
  role: agentRoleSchema.optional(),
  /** Agents that meet this requirement: `python` is met by `python` and by any `python@version`. */
  capability: capabilitySchema.optional(),
  status: agentStatusSchema.optional(),
  ...pageQueryShape,
});
export type ListAgentsQuery = z.output<typeof listAgentsQuerySchema>;
export const listAgentsReplySchema = z.object({ agents: z.array(agentSchema), nextCursor: z.string().nullable() });

/** `GET /directory`: the agents that one may write to, without what is theirs alone. Deregistered agents are left out. */
export const directoryQuerySchema = listAgentsQuerySchema.omit({ status: true }).extend({
  status: z.enum(["active", "draining", "inactive"]).optional(),
});
export type DirectoryQuery = z.output<typeof directoryQuerySchema>;
export const directoryEntrySchema = agentSchema.pick({ agentId: true, role: true, capabilities: true, status: true });
export type DirectoryEntry = z.infer<typeof directoryEntrySchema>;
export const directoryReplySchema = z.object({
  agents: z.array(directoryEntrySchema),
  nextCursor: z.string().nullable(),
});

/** `POST /agents/{agentId}/heartbeat`; without `status` the stored one is kept (inactive becomes active). */
export const heartbeatSchema = z.strictObject({
  status: z.enum(["active", "draining"]).optional(),
  maxConcurrentTasks: maxConcurrentTasksSchema.optional(),
});
export type HeartbeatInput = z.input<typeof heartbeatSchema>;

export const heartbeatReplySchema = z.object({
  status: agentStatusSchema,
  /** How often the agent should beat: a third of its own timeout, in whole seconds, or the setting of the service. */
  heartbeatIntervalSeconds: z.number(),
  /** Messages that could be received now, counted up to 1,000. */
  pendingMessages: z.int(),
  /** There, and true, while a message of the priority `urgent` could be received now: look into the mailbox before you go on. */
  attention: z.literal(true).optional(),
  tasks: z.array(z.object({ taskId: idSchema, attempt: attemptSchema, cancelRequested: z.boolean() })),
});
export type HeartbeatReply = z.infer<typeof heartbeatReplySchema>;
