import { z } from "zod";
import { agentRoleSchema } from "./agent.ts";
import { messageStatusSchema } from "./message.ts";
import { taskStatusSchema } from "./task.ts";
import { usageSumsSchema } from "./usage.ts";

/** Statistics keep the names that users of the original know. Counts come from counters, never from scans. */

/** `GET /stats/queue` */
export const queueStatisticsSchema = z.object({
  /** Rows kept, in every status. */
  totalMessages: z.int(),
  /** Accepted in the last 60 s. */
  messagesPerMinute: z.int(),
  byStatus: z.record(messageStatusSchema, z.int()),
  /** Age of the longest waiting queued message; 0 when none waits. */
  oldestAgeSeconds: z.number(),
  deadLetters: z.int(),
});
export type QueueStatistics = z.infer<typeof queueStatisticsSchema>;

/** `GET /stats/registry`; deregistered agents count in none of these. */
export const registryStatisticsSchema = z.object({
  totalAgents: z.int(),
  activeAgents: z.int(),
  /** Mean of activeTasks / maxConcurrentTasks over active workers with capacity; 0 without any. */
  averageLoad: z.number(),
  byRole: z.record(agentRoleSchema, z.int()),
});
export type RegistryStatistics = z.infer<typeof registryStatisticsSchema>;

/** `GET /stats/coordination` */
export const coordinationStatisticsSchema = z.object({
  activeAgents: z.int(),
  metrics: z.object({
    /** Tasks assigned at least once. */
    tasksAssigned: z.int(),
    tasksCompleted: z.int(),
    tasksFailed: z.int(),
    /** Tasks whose condition could no longer hold; they are no failures. */
    tasksNotNeeded: z.int(),
    /** Attempts that their agents reported as failed, whether they were tried again or not. */
    attemptsFailed: z.int(),
    /** Attempts that were lost: by silence, past their deadline, or released. */
    attemptsLost: z.int(),
    /** All usage of models that was ever reported, in tokens and millionths of a US dollar. */
    usage: usageSumsSchema,
  }),
  byStatus: z.record(taskStatusSchema, z.int()),
});
export type CoordinationStatistics = z.infer<typeof coordinationStatisticsSchema>;

/** The performance part of `GET /metrics` as JSON. */
export const performanceStatisticsSchema = z.object({
  messageThroughput: z.number(),
  agentUtilization: z.number(),
  taskCompletionRate: z.number(),
  errorRate: z.number(),
});
export type PerformanceStatistics = z.infer<typeof performanceStatisticsSchema>;

/** `GET /metrics` as JSON */
export const metricsSchema = z.object({
  queue: queueStatisticsSchema,
  registry: registryStatisticsSchema,
  coordination: coordinationStatisticsSchema,
  performance: performanceStatisticsSchema,
});
export type Metrics = z.infer<typeof metricsSchema>;

/** `GET /health` */
export const healthSchema = z.object({
  status: z.enum(["healthy", "unhealthy"]),
  checks: z.object({
    databaseConnection: z.boolean(),
    messageQueueOperational: z.boolean(),
    agentRegistryAccessible: z.boolean(),
    /** Whether any agent is registered; never makes health 503. */
    recentActivity: z.boolean(),
  }),
});
export type Health = z.infer<typeof healthSchema>;

/** What one sweep did; every count is of rows. */
export const sweepReportSchema = z.object({
  /** Rows whose times a clock had left in the future. */
  timesCorrected: z.int(),
  agentsInactivated: z.int(),
  leasesEnded: z.int(),
  messagesExpired: z.int(),
  messagesDeadLettered: z.int(),
  tasksTimedOut: z.int(),
  /** Attempts that were not started within startTimeoutSeconds. */
  tasksNotStarted: z.int(),
  /** Attempts taken from agents that had fallen silent. */
  tasksAbandoned: z.int(),
  tasksRequeued: z.int(),
  /** Tasks whose own time was over, and questions that nobody answered in time. */
  tasksExpired: z.int(),
  questionsTimedOut: z.int(),
  tasksUnblocked: z.int(),
  tasksAssigned: z.int(),
  auditEntriesSealed: z.int(),
});
export type SweepReport = z.infer<typeof sweepReportSchema>;
/** What the part of a sweep that is about tasks did. */
export type TaskSweepReport = Pick<
  SweepReport,
  | "tasksTimedOut"
  | "tasksNotStarted"
  | "tasksRequeued"
  | "tasksExpired"
  | "questionsTimedOut"
  | "tasksUnblocked"
  | "tasksAssigned"
>;

/** What `POST /maintenance` did. `finished` is false when the 60 s budget ended first; the next run goes on. */
export const maintenanceReportSchema = z.object({
  messagesPurged: z.int(),
  deadLettersPurged: z.int(),
  agentsDeregistered: z.int(),
  agentsDeleted: z.int(),
  tasksArchived: z.int(),
  credentialsDeleted: z.int(),
  agentsRefreshed: z.int(),
  /** Rows of usage by the hour that were older than 400 days. */
  usageHoursDropped: z.int(),
  auditEntriesDropped: z.int(),
  /** Values that were encrypted under another version of the key than the current one. */
  valuesReencrypted: z.int(),
  finished: z.boolean(),
  durationSeconds: z.number(),
});
export type MaintenanceReport = z.infer<typeof maintenanceReportSchema>;
/** What the store's part of it did. */
export type StoreMaintenanceReport = Omit<MaintenanceReport, "valuesReencrypted">;
