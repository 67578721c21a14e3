import { z } from "zod";
import { dependencySchema, dependsOnSchema } from "./dependency.ts";
import { dependencyResultSchema } from "./dependency-result.ts";
import { explanationSchema } from "./explanation.ts";
import { CAPABILITIES_MAX, CHILD_TYPES_MAX, DESCRIPTION_MAX_BYTES, RETRIES_MAX, WAIT_MAX_SECONDS } from "./limits.ts";
import { PREFIX_MARK } from "./patterns.ts";
import { askSchema, taskQuestionSchema } from "./question.ts";
import { resumeReasonSchema, resumeSchema } from "./resume.ts";
import { taskStatusSchema } from "./task-status.ts";
import { pairUsageSchema, usageSchema } from "./usage.ts";
import {
  attemptSchema,
  capabilitySchema,
  durationSecondsSchema,
  idSchema,
  instantSchema,
  jsonSchema,
  newIdSchema,
  nextCursorSchema,
  noteSchema,
  pageQueryShape,
  prioritySchema,
  textSchema,
  traceparentSchema,
} from "./values.ts";
import { writtenDecimal, writtenWhole } from "./written-number.ts";

export { type DependencyResult, dependencyResultSchema } from "./dependency-result.ts";
export { TASK_STATUSES, type TaskStatus, taskStatusSchema } from "./task-status.ts";

/** The vocabulary of tasks: assignment, progress, results, explanations. */

/** What a task is to an agent: assigned by it, assigned to it, or what a task in its hands, assigned or running, depends on. */
export type TaskRelation = "assigned_by" | "assigned_to" | "needed_by";

/** What a task says of its worker, and a gate, on which nobody works, cannot. */
const WORK_FIELDS = [
  "requiredCapabilities",
  "preferredCapabilities",
  "assignTo",
  "timeoutSeconds",
  "startTimeoutSeconds",
  "maxRetries",
  "children",
] as const;

/** The types of the children that a task may make: one as it is, or with `*` at its end every one that begins so. */
export const childrenSchema = z.strictObject({
  taskTypes: z
    .array(
      z
        .string()
        .refine(
          (text) =>
            text === PREFIX_MARK || idSchema.safeParse(text.endsWith(PREFIX_MARK) ? text.slice(0, -1) : text).success,
          "must be a task type, or its beginning followed by *",
        ),
    )
    .min(1)
    .max(CHILD_TYPES_MAX),
});

/** The fields of `POST /tasks` and `POST /tasks/preview`. Timeouts and retries default to the settings. */
export const assignTaskShape = {
  taskId: newIdSchema.optional(),
  supervisor: idSchema,
  taskType: idSchema,
  description: textSchema(DESCRIPTION_MAX_BYTES).default(""),
  parameters: jsonSchema().default(null),
  /** Parameters, result, checkpoints, questions and answers are encrypted where they are stored. Their readers see them plain. */
  sensitive: z.boolean().optional(),
  requiredCapabilities: z.array(capabilitySchema).max(CAPABILITIES_MAX).default([]),
  preferredCapabilities: z.array(capabilitySchema).max(CAPABILITIES_MAX).default([]),
  priority: prioritySchema.default("normal"),
  /** How long an attempt may take, from its assignment. */
  timeoutSeconds: durationSecondsSchema.optional(),
  /** How long its agent may take to start it, from the assignment; then others are looked for, without a retry. Left out: no limit but the timeout. */
  startTimeoutSeconds: durationSecondsSchema.optional(),
  maxRetries: z.int().min(0).max(RETRIES_MAX).optional(),
  /** Tasks that have to complete, end or fail before this one is handed out. */
  dependsOn: dependsOnSchema.default([]),
  parentTaskId: idSchema.optional(),
  assignTo: idSchema.optional(),
  /** Lets the worker make children of these types by suspending the task. Absent: none. */
  children: childrenSchema.optional(),
  /** When the task ends wherever it is, as `failed` with EXPIRED. At most a year away. */
  expiresAt: instantSchema.optional(),
  /** Makes the task a gate: nobody works on it, a person or agent answers, and the answer is its result. */
  question: askSchema.optional(),
};

/** Says which fields a gate cannot have. */
export function withoutWorkOfGates(
  task: { question?: unknown } & Partial<Record<(typeof WORK_FIELDS)[number], unknown>>,
  context: z.RefinementCtx,
): void {
  if (task.question === undefined) return;
  for (const name of WORK_FIELDS) {
    const value = task[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    context.addIssue({ code: "custom", path: [name], message: "cannot be given together with question" });
  }
}

export const assignTaskSchema = z.strictObject(assignTaskShape).superRefine(withoutWorkOfGates);
export type AssignTaskInput = z.input<typeof assignTaskSchema>;
export type AssignTask = z.output<typeof assignTaskSchema>;

export const assignTaskReplySchema = z.object({
  taskId: idSchema,
  status: taskStatusSchema,
  assignedTo: idSchema.optional(),
  attempt: z.int(),
});
export type AssignTaskReply = z.infer<typeof assignTaskReplySchema>;

export const taskSchema = z.object({
  taskId: idSchema,
  supervisor: idSchema,
  taskType: idSchema,
  description: z.string(),
  parameters: z.json(),
  /** True when the parameters or the result are encrypted where they are stored. */
  sensitive: z.boolean().optional(),
  /** True when one of them cannot be decrypted any more: parameters then read null, the result is absent. */
  undecryptable: z.boolean().optional(),
  requiredCapabilities: z.array(z.string()),
  preferredCapabilities: z.array(z.string()),
  priority: prioritySchema,
  timeoutSeconds: z.number(),
  startTimeoutSeconds: z.number().optional(),
  maxRetries: z.int(),
  retriesUsed: z.int(),
  /** The id of a task that has to complete, or `{taskId, when}`. */
  dependsOn: z.array(dependencySchema),
  parentTaskId: idSchema.optional(),
  assignTo: idSchema.optional(),
  /** The types of the children that it may make. */
  children: childrenSchema.optional(),
  /** When it ends wherever it is, as `failed` with EXPIRED. */
  expiresAt: instantSchema.optional(),
  status: taskStatusSchema,
  /** Raised by every change of the task but a note or usage. */
  version: z.int(),
  assignedTo: idSchema.optional(),
  /** The fencing number: how often the task was assigned. It is not the retry count. */
  attempt: z.int(),
  cancelRequested: z.boolean(),
  percent: z.number().optional(),
  note: z.string().optional(),
  /** The newest question, and what became of it. */
  question: taskQuestionSchema.optional(),
  /** What the last suspended attempt left for the next. */
  checkpoint: z.json().optional(),
  /** What woke it after its last suspension. */
  resumedBy: resumeReasonSchema.optional(),
  result: z.json().optional(),
  error: z.string().optional(),
  createdAt: instantSchema,
  /** When a waiting task may be handed out next. */
  availableAt: instantSchema,
  assignedAt: instantSchema.optional(),
  startedAt: instantSchema.optional(),
  /** By when its agent has to start it; only while it is assigned and not started. */
  startDeadline: instantSchema.optional(),
  deadline: instantSchema.optional(),
  endedAt: instantSchema.optional(),
  /** What all its attempts have used, by provider and model; only where one task is read, not in a list. */
  usage: z.array(pairUsageSchema).optional(),
  /** True when the task has been moved to the archive. */
  archived: z.boolean().optional(),
  /** W3C Trace Context of the call that assigned it: its messages, and what its worker does, continue that trace. */
  traceparent: traceparentSchema.optional(),
});
export type Task = z.infer<typeof taskSchema>;

/** Waits up to `waitSeconds` for a greater version than `afterVersion`. */
export const getTaskQuerySchema = z
  .strictObject({
    afterVersion: writtenWhole(0).optional(),
    waitSeconds: writtenDecimal((seconds) => seconds.min(0).max(WAIT_MAX_SECONDS)).default(0),
  })
  .refine(({ afterVersion, waitSeconds }) => waitSeconds === 0 || afterVersion !== undefined, {
    path: ["afterVersion"],
    message: "has to be given together with waitSeconds",
  });

export const listTasksQuerySchema = z.strictObject({
  status: taskStatusSchema.optional(),
  supervisor: idSchema.optional(),
  assignedTo: idSchema.optional(),
  taskType: idSchema.optional(),
  parentTaskId: idSchema.optional(),
  ...pageQueryShape,
});
export type ListTasksQuery = z.output<typeof listTasksQuerySchema>;
export const listTasksReplySchema = z.object({ tasks: z.array(taskSchema), nextCursor: nextCursorSchema });

const attemptShape = { agentId: idSchema, attempt: attemptSchema };
/** What the attempt has used so far; its totals, not what was added. */
const usageShape = { usage: usageSchema.optional() };
export const startTaskSchema = z.strictObject(attemptShape);
export const progressTaskSchema = z.strictObject({
  ...attemptShape,
  percent: z.number().min(0).max(100).optional(),
  note: noteSchema.optional(),
  /** Moves the deadline to now + this, if later. */
  extendSeconds: durationSecondsSchema.optional(),
  ...usageShape,
});
export const completeTaskSchema = z.strictObject({ ...attemptShape, result: jsonSchema().optional(), ...usageShape });
export const failTaskSchema = z.strictObject({
  ...attemptShape,
  error: noteSchema,
  retryable: z.boolean().default(true),
  ...usageShape,
});
export const cancelTaskSchema = z.strictObject({ reason: noteSchema.optional() });
export type CancelTask = z.output<typeof cancelTaskSchema>;
/** Of a task or a workflow; the reason stands in the history. */
export const retryTaskSchema = z.strictObject({ reason: noteSchema.optional() });
export type RetryTask = z.output<typeof retryTaskSchema>;
export type StartTask = z.output<typeof startTaskSchema>;
export type ProgressTask = z.output<typeof progressTaskSchema>;
export type CompleteTask = z.output<typeof completeTaskSchema>;
export type FailTask = z.output<typeof failTaskSchema>;

export const taskReplySchema = z.object({
  taskId: idSchema,
  status: taskStatusSchema,
  cancelRequested: z.boolean(),
  deadline: instantSchema.optional(),
  /** Of a progress, as in the reply of a heartbeat: a message of the priority `urgent` could be received now. */
  attention: z.literal(true).optional(),
});
export type TaskReply = z.infer<typeof taskReplySchema>;

export const ATTEMPT_OUTCOMES = [
  "completed",
  "failed",
  "timed_out",
  "agent_inactive",
  "released",
  "cancelled",
  /** It asked, or waits for a time: neither completed nor failed. */
  "suspended",
  /** The task's own time was over. */
  "expired",
] as const;
export const assignmentSchema = explanationSchema.extend({
  attempt: z.int(),
  assignedAt: instantSchema,
  endedAt: instantSchema.optional(),
  outcome: z.enum(ATTEMPT_OUTCOMES).optional(),
});
export type Assignment = z.infer<typeof assignmentSchema>;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];
/** `GET /tasks/{taskId}/assignment`, the oldest attempt first. */
export const listAssignmentsQuerySchema = z.strictObject({ ...pageQueryShape });
export const listAssignmentsReplySchema = z.object({
  assignments: z.array(assignmentSchema),
  nextCursor: nextCursorSchema,
});

/** `GET /tasks/{taskId}/dependencies`, in the order of `dependsOn`. */
export const taskDependenciesReplySchema = z.object({
  dependencies: z.array(dependencyResultSchema),
  /** Those that its last suspension made; absent where it made none. They share the room of `dependencies`, and come behind them. */
  children: z.array(dependencyResultSchema).optional(),
});
export type TaskDependenciesReply = z.output<typeof taskDependenciesReplySchema>;

/** The payload of a `task_assignment` message. */
export const taskAssignmentPayloadSchema = z.object({
  taskId: idSchema,
  attempt: attemptSchema,
  taskType: idSchema,
  description: z.string(),
  parameters: z.json(),
  sensitive: z.boolean().optional(),
  deadline: instantSchema,
  /** By when it has to be started, where the task has a startTimeoutSeconds. */
  startDeadline: instantSchema.optional(),
  /** Of a task that was suspended: what woke it, and what it left for itself. */
  resume: resumeSchema.optional(),
  /** Of a task that depends on others, in the order of `dependsOn`; in a receive, and while the message waits or is leased. */
  dependencies: z.array(dependencyResultSchema).optional(),
});
export type TaskAssignmentPayload = z.infer<typeof taskAssignmentPayloadSchema>;

/** The payload of a `task_cancel` message, to the agent that works on a task: a request, which it may still answer with a completion. */
export const taskCancelPayloadSchema = z.object({
  taskId: idSchema,
  attempt: attemptSchema,
  /** As the one who cancels has said it. */
  reason: z.string().optional(),
});

/** The payload of a `task_result` message. */
export const taskResultPayloadSchema = z.object({
  taskId: idSchema,
  taskType: idSchema,
  status: z.enum(["completed", "failed", "cancelled"]),
  attempt: z.int(),
  /** The task's version at its end. */
  version: z.int().optional(),
  result: z.json().optional(),
  /** True when there is a result and it is encrypted where it is stored. */
  sensitive: z.boolean().optional(),
  error: z.string().optional(),
});
export type TaskResultPayload = z.infer<typeof taskResultPayloadSchema>;
