import { z } from "zod";
import { childTasksSchema } from "./child.ts";
import { askSchema, questionContentSchema, questionIdSchema } from "./question.ts";
import { taskReplySchema } from "./task.ts";
import { usageSchema } from "./usage.ts";
import { attemptSchema, idSchema, instantSchema, jsonSchema } from "./values.ts";

/**
 * The vocabulary of suspensions: a worker that cannot go on ends its attempt, and says what will wake the task. The next attempt finds
 * the checkpoint, and what it was woken by.
 */

/** What wakes the task again: exactly one of these. */
export const untilSchema = z
  .strictObject({
    /** Its answer. The task is `input_required` until then. */
    question: askSchema.optional(),
    /** A time at least 10 seconds and at most a year away. The task is `pending` until then, with this as `availableAt`. */
    at: instantSchema.optional(),
    /** Their ends, in whatever way: they are created together with the suspension. The task is `blocked` until then. */
    tasks: childTasksSchema.optional(),
  })
  .superRefine((until, context) => {
    const given = Object.values(until).filter((value) => value !== undefined).length;
    if (given !== 1) context.addIssue({ code: "custom", message: "must have exactly one of question, at and tasks" });
  });

/** `POST /tasks/{taskId}/suspend` */
export const suspendTaskSchema = z.strictObject({
  agentId: idSchema,
  attempt: attemptSchema,
  /** What the next attempt needs to go on; any JSON. It replaces the one before, and without it there is none. */
  checkpoint: jsonSchema().optional(),
  until: untilSchema,
  /** What the attempt has used; its totals. */
  usage: usageSchema.optional(),
});
export type SuspendTaskInput = z.input<typeof suspendTaskSchema>;
export type SuspendTask = z.output<typeof suspendTaskSchema>;

/** `status` is `input_required`, `pending` or `blocked`; `cancelled` when that was requested, `failed` when no retry was left. */
export const suspendReplySchema = taskReplySchema.extend({
  questionId: questionIdSchema.optional(),
  /** Of a task that waits for a time. */
  availableAt: instantSchema.optional(),
  /** The ids of the children, in the order of the call. */
  taskIds: z.array(idSchema).optional(),
});
export type SuspendReply = z.output<typeof suspendReplySchema>;

/** The reply to `POST /tasks/{taskId}/answer`. `status` is what the answer made of the task: `pending`, of a gate `completed` or `failed`. */
export const answerReplySchema = z.object({
  taskId: idSchema,
  questionId: questionIdSchema,
  status: taskReplySchema.shape.status,
  answeredBy: idSchema,
  answeredAt: instantSchema,
});
export type AnswerReply = z.output<typeof answerReplySchema>;

/** The payload of a `task_question` message, to those whom a question is asked of, else to the supervisor. */
export const taskQuestionPayloadSchema = z.object({
  taskId: idSchema,
  taskType: idSchema,
  questionId: questionIdSchema,
  question: questionContentSchema,
  /** The agent whose words these are, though `system` sends them: the one that asked, or of a gate the supervisor. */
  authoredBy: idSchema,
  expiresAt: instantSchema.optional(),
  /** True when the question is encrypted where it is stored. */
  sensitive: z.boolean().optional(),
});
export type TaskQuestionPayload = z.output<typeof taskQuestionPayloadSchema>;
