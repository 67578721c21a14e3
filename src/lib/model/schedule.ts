import { z } from "zod";
import { boundedDependencies } from "./dependency.ts";
import { SCHEDULE_ID_MAX_CHARACTERS, WORKFLOW_TASKS_MAX } from "./limits.ts";
import { assignTaskShape, taskStatusSchema, withoutWorkOfGates } from "./task.ts";
import { idSchema, instantSchema, nextCursorSchema, pageQueryShape } from "./values.ts";
import { NOTIFY, ON_FAILURE, uniqueRefs, workflowStatusSchema, workflowTaskShape } from "./workflow.ts";

/** The vocabulary of schedules: tasks or workflows that are created again and again, at times that a cron expression names. */

const SCHEDULE_ID_PATTERN = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,${SCHEDULE_ID_MAX_CHARACTERS - 1}}$`);

/** As an id, of at most 90 characters: what it creates has ids that are longer by 38. */
export const scheduleIdSchema = z
  .string()
  .regex(SCHEDULE_ID_PATTERN, "must be 1–90 characters of A-Z a-z 0-9 . _ : -, and start with a letter or digit");

// Ids are made at each firing, and a moment at which each of them ends would be over at the second.
const { supervisor: _supervisor, taskId: _taskId, expiresAt: _expiresAt, ...taskTemplateShape } = assignTaskShape;
const { taskId: _ownId, expiresAt: _ownExpiry, ...stepTemplateShape } = workflowTaskShape;

/** A task as `POST /tasks` takes it, without `supervisor`, `taskId` and `expiresAt`. */
export const scheduledTaskSchema = z.strictObject(taskTemplateShape).superRefine(withoutWorkOfGates);
export type ScheduledTask = z.output<typeof scheduledTaskSchema>;

/** A workflow as `POST /workflows` takes it, without `supervisor` and ids. */
export const scheduledWorkflowSchema = z
  .strictObject({
    tasks: z.array(z.strictObject(stepTemplateShape).superRefine(withoutWorkOfGates)).min(1).max(WORKFLOW_TASKS_MAX),
    onFailure: z.enum(ON_FAILURE).default("stop"),
    notify: z.enum(NOTIFY).default("end"),
  })
  .superRefine(uniqueRefs)
  .superRefine(({ tasks }, context) => boundedDependencies(tasks, ["tasks"], context));
export type ScheduledWorkflow = z.output<typeof scheduledWorkflowSchema>;

/** What becomes of a due time while what the last firing created is open: it creates all the same, or is skipped. */
export const OVERLAPS = ["allow", "skip"] as const;
export const overlapSchema = z.enum(OVERLAPS);
export type Overlap = z.output<typeof overlapSchema>;

/** `PUT /schedules/{scheduleId}` */
export const putScheduleSchema = z
  .strictObject({
    supervisor: idSchema,
    /** Minute, hour, day of the month, month, day of the week. Where both days are given, one of them has to fit. */
    cron: z.string().min(1).max(200),
    /** By its IANA name, such as `Europe/Berlin`. */
    timezone: z.string().min(1).max(64).default("UTC"),
    task: scheduledTaskSchema.optional(),
    workflow: scheduledWorkflowSchema.optional(),
    overlap: overlapSchema.default("allow"),
    /** False: it has no due times; `trigger` works all the same. */
    enabled: z.boolean().default(true),
  })
  .superRefine(({ task, workflow }, context) => {
    if ((task === undefined) === (workflow === undefined)) {
      context.addIssue({ code: "custom", path: ["task"], message: "exactly one of task and workflow has to be given" });
    }
  });
export type PutScheduleInput = z.input<typeof putScheduleSchema>;
export type PutSchedule = z.output<typeof putScheduleSchema>;

export const FIRING_OUTCOMES = ["created", "skipped", "refused"] as const;

/** A due time that has come, or a trigger, as it is recorded. */
export const recordedFiringSchema = z.object({
  /** When it was due; absent of a trigger. */
  dueAt: instantSchema.optional(),
  firedAt: instantSchema,
  /** `skipped`: what the last firing created was still open; `refused`: as `error` says. */
  outcome: z.enum(FIRING_OUTCOMES),
  taskId: idSchema.optional(),
  workflowId: idSchema.optional(),
  /** Code and detail of the refusal. */
  error: z.string().optional(),
});
export type RecordedFiring = z.output<typeof recordedFiringSchema>;

/** What is kept of the firings of a schedule. */
export const firingLogSchema = z.object({
  /** The last ten, newest first. */
  recent: z.array(recordedFiringSchema),
  /** What was created last: while it is open, `overlap: skip` skips. */
  last: recordedFiringSchema.pick({ taskId: true, workflowId: true }).optional(),
});
export type FiringLog = z.output<typeof firingLogSchema>;

/** A firing with what has become of it. */
export const firingSchema = recordedFiringSchema.extend({
  /** Of the task or workflow; absent once it is deleted. */
  status: z.union([taskStatusSchema, workflowStatusSchema]).optional(),
});
export type Firing = z.output<typeof firingSchema>;

/** A schedule without contents and firings, as lists show it. */
export const scheduleSummarySchema = z.object({
  scheduleId: scheduleIdSchema,
  supervisor: idSchema,
  cron: z.string(),
  timezone: z.string(),
  creates: z.enum(["task", "workflow"]),
  overlap: overlapSchema,
  /** False as well after three refused firings in a row. */
  enabled: z.boolean(),
  /** Absent of a schedule that is not enabled. */
  nextDueAt: instantSchema.optional(),
  /** Refused firings in a row. */
  refusals: z.int(),
  createdAt: instantSchema,
  updatedAt: instantSchema,
});
export type ScheduleSummary = z.output<typeof scheduleSummarySchema>;

/** `GET /schedules/{scheduleId}` */
export const scheduleSchema = scheduleSummarySchema.extend({
  task: scheduledTaskSchema.optional(),
  workflow: scheduledWorkflowSchema.optional(),
  /** True when its contents are encrypted where they are stored. */
  sensitive: z.boolean().optional(),
  /** True when they cannot be decrypted any more; then they are absent, and firings are refused. */
  undecryptable: z.boolean().optional(),
  /** The last ten, newest first. */
  firings: z.array(firingSchema),
});
export type Schedule = z.output<typeof scheduleSchema>;

export const listSchedulesQuerySchema = z.strictObject({ supervisor: idSchema.optional(), ...pageQueryShape });
export type ListSchedulesQuery = z.output<typeof listSchedulesQuerySchema>;
export const listSchedulesReplySchema = z.object({
  schedules: z.array(scheduleSummarySchema),
  nextCursor: nextCursorSchema,
});

/** The reply to `POST /schedules/{scheduleId}/trigger` */
export const triggerReplySchema = firingSchema.pick({ firedAt: true, taskId: true, workflowId: true, status: true });
export type TriggerReply = z.output<typeof triggerReplySchema>;
