import { z } from "zod";
import { boundedDependencies, DEPENDENCY_CONDITIONS, dependencySchema } from "./dependency.ts";
import { DEPENDENCIES_MAX, WORKFLOW_TASKS_MAX } from "./limits.ts";
import { assignTaskShape, TASK_STATUSES, taskSchema, taskStatusSchema, withoutWorkOfGates } from "./task.ts";
import { idSchema, instantSchema, newIdSchema, nextCursorSchema, pageQueryShape } from "./values.ts";

/** The vocabulary of workflows: tasks that are created together, depend on each other, and end together. */

/** What a failure does to the tasks of a workflow that nobody was given yet. */
export const ON_FAILURE = ["stop", "continue"] as const;
/** What the supervisor is told: the end of each task, the end of the whole, or nothing. */
export const NOTIFY = ["each", "end", "none"] as const;
export type Notify = (typeof NOTIFY)[number];

const conditionShape = { when: z.enum(DEPENDENCY_CONDITIONS).default("completed") };
/** The ref of a task of this workflow, else the id of another task; or one of the two with a condition. */
export const workflowDependencySchema = z.union([
  idSchema,
  z.strictObject({ ref: idSchema, ...conditionShape }),
  z.strictObject({ taskId: idSchema, ...conditionShape }),
]);

const { supervisor: _supervisor, dependsOn: _dependsOn, ...workShape } = assignTaskShape;

/** The fields of a task of a workflow. */
export const workflowTaskShape = {
  ...workShape,
  /** Its name within the workflow. */
  ref: idSchema,
  dependsOn: z.array(workflowDependencySchema).max(DEPENDENCIES_MAX).default([]),
};

/** A task of a workflow: what `POST /tasks` takes, with a name by which the others refer to it. */
export const workflowTaskSchema = z.strictObject(workflowTaskShape).superRefine(withoutWorkOfGates);
export type WorkflowTask = z.output<typeof workflowTaskSchema>;

/** Says which refs and ids come twice. */
export function uniqueRefs(
  { tasks }: { tasks: readonly { ref: string; taskId?: string | undefined }[] },
  context: z.RefinementCtx,
): void {
  const places = new Map<string, number>();
  const ids = new Set<string>();
  for (const [index, { ref, taskId }] of tasks.entries()) {
    if (taskId !== undefined && ids.has(taskId)) {
      context.addIssue({ code: "custom", path: ["tasks", index, "taskId"], message: "is the id of an earlier task" });
    }
    if (taskId !== undefined) ids.add(taskId);
    const first = places.get(ref);
    if (first === undefined) places.set(ref, index);
    else {
      context.addIssue({ code: "custom", path: ["tasks", index, "ref"], message: `is the ref of task ${first}, too` });
    }
  }
}

/** `POST /workflows` */
export const createWorkflowSchema = z
  .strictObject({
    workflowId: newIdSchema.optional(),
    supervisor: idSchema,
    tasks: z.array(workflowTaskSchema).min(1).max(WORKFLOW_TASKS_MAX),
    /** `stop`: once a task has failed for good, those that nobody was given are cancelled, but for those that wait for failures or ends. */
    onFailure: z.enum(ON_FAILURE).default("stop"),
    /** `end`: one `workflow_result` message; `each`: a `task_result` of each task. */
    notify: z.enum(NOTIFY).default("end"),
  })
  .superRefine(uniqueRefs)
  .superRefine(({ tasks }, context) => boundedDependencies(tasks, ["tasks"], context));
export type CreateWorkflowInput = z.input<typeof createWorkflowSchema>;
export type CreateWorkflow = z.output<typeof createWorkflowSchema>;

export const WORKFLOW_STATUSES = ["running", "completed", "failed", "cancelled"] as const;
export const workflowStatusSchema = z.enum(WORKFLOW_STATUSES);
export type WorkflowStatus = z.output<typeof workflowStatusSchema>;

/** Tasks by status; those cancelled as not needed or stopped are counted apart. */
export const workflowCountsSchema = z.object({
  ...(Object.fromEntries(TASK_STATUSES.map((status) => [status, z.int()])) as Record<
    (typeof TASK_STATUSES)[number],
    z.ZodInt
  >),
  notNeeded: z.int(),
  stopped: z.int(),
});
export type WorkflowCounts = z.output<typeof workflowCountsSchema>;

export const workflowTaskStateSchema = z.object({
  taskId: idSchema,
  ref: idSchema,
  taskType: idSchema,
  status: taskStatusSchema,
  /** By the ids of the tasks. */
  dependsOn: z.array(dependencySchema),
  assignedTo: idSchema.optional(),
  attempt: z.int(),
  /** Of a task that failed or was cancelled. */
  error: taskSchema.shape.error,
});
export type WorkflowTaskState = z.output<typeof workflowTaskStateSchema>;

/** A workflow without its tasks, as lists show it. */
export const workflowSummarySchema = z.object({
  workflowId: idSchema,
  supervisor: idSchema,
  /**
   * `running` while a task is open; then `failed` when a task failed, `cancelled` when one was cancelled (not as not needed or stopped),
   * `completed` otherwise.
   */
  status: workflowStatusSchema,
  /** Raised by the end and the retry of its tasks. */
  version: z.int(),
  counts: workflowCountsSchema,
  onFailure: z.enum(ON_FAILURE),
  notify: z.enum(NOTIFY),
  createdAt: instantSchema,
  endedAt: instantSchema.optional(),
});
export type WorkflowSummary = z.output<typeof workflowSummarySchema>;

/** `GET /workflows/{workflowId}` */
export const workflowSchema = workflowSummarySchema.extend({
  /** What others depend on comes before them. */
  tasks: z.array(workflowTaskStateSchema),
});
export type Workflow = z.output<typeof workflowSchema>;

export const createWorkflowReplySchema = z.object({
  workflowId: idSchema,
  status: workflowStatusSchema,
  /** The ids of the tasks by their refs. */
  taskIds: z.record(idSchema, idSchema),
});
export type CreateWorkflowReply = z.output<typeof createWorkflowReplySchema>;

export const listWorkflowsQuerySchema = z.strictObject({
  supervisor: idSchema.optional(),
  status: workflowStatusSchema.optional(),
  ...pageQueryShape,
});
export type ListWorkflowsQuery = z.output<typeof listWorkflowsQuerySchema>;
export const listWorkflowsReplySchema = z.object({
  workflows: z.array(workflowSummarySchema),
  nextCursor: nextCursorSchema,
});

/** The reply to `POST /workflows/{workflowId}/cancel` (running tasks are asked, so the workflow may go on for a while) and `/retry`. */
export const workflowReplySchema = workflowSummarySchema.pick({ workflowId: true, status: true, counts: true });
export type WorkflowReply = z.output<typeof workflowReplySchema>;

/** The payload of a `workflow_result` message. */
export const workflowResultPayloadSchema = z.object({
  workflowId: idSchema,
  status: workflowStatusSchema,
  counts: z.object({ completed: z.int(), failed: z.int(), cancelled: z.int(), notNeeded: z.int(), stopped: z.int() }),
  version: z.int(),
});
export type WorkflowResultPayload = z.output<typeof workflowResultPayloadSchema>;
