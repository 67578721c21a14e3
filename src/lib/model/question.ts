import { z } from "zod";
import { exceedsBytes, type JsonValue } from "./json.ts";
import { ANSWER_SCHEMA_MAX_BYTES, ASKED_OF_MAX, OPTIONS_MAX, PROPERTIES_MAX, QUESTION_MAX_BYTES } from "./limits.ts";
import {
  durationSecondsSchema,
  idSchema,
  instantSchema,
  jsonSchema,
  nextCursorSchema,
  pageQueryShape,
  prioritySchema,
  textSchema,
} from "./values.ts";

/**
 * The vocabulary of questions: what a task may ask of a person or an agent, and how it is answered. The shape of `schema` is that of
 * MCP's elicitation: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#requested-schema
 */

const labelSchema = textSchema(256);
const described = { title: labelSchema.optional(), description: textSchema(1_024).optional() };
const bound = z.number().optional();
const length = z.int().min(0).optional();
const PROPERTY_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

const propertySchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("string"),
    ...described,
    minLength: length,
    maxLength: length,
    /** One of these texts. */
    enum: z.array(labelSchema).min(1).max(100).optional(),
    /** What a form shows for each of `enum`. */
    enumNames: z.array(labelSchema).max(100).optional(),
    /** For forms; not checked, as JSON Schema has it by default. */
    format: z.enum(["email", "uri", "date", "date-time"]).optional(),
    default: z.string().optional(),
  }),
  z.strictObject({
    type: z.enum(["number", "integer"]),
    ...described,
    minimum: bound,
    maximum: bound,
    default: z.number().optional(),
  }),
  z.strictObject({ type: z.literal("boolean"), ...described, default: z.boolean().optional() }),
]);

/** A flat object of at most 20 texts, numbers, whole numbers, yes-or-no values and choices. An answer has no other properties. */
export const answerSchemaSchema = z
  .strictObject({
    type: z.literal("object"),
    properties: z.record(z.string().regex(PROPERTY_NAME), propertySchema),
    required: z.array(z.string()).max(PROPERTIES_MAX).optional(),
  })
  .superRefine(({ properties, required = [] }, context) => {
    const names = Object.keys(properties);
    if (names.length === 0 || names.length > PROPERTIES_MAX) {
      context.addIssue({
        code: "custom",
        path: ["properties"],
        message: `must have between 1 and ${PROPERTIES_MAX} properties`,
      });
    }
    const unknown = required.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      const message = `names ${unknown}, which is not one of the properties`;
      context.addIssue({ code: "custom", path: ["required"], message });
    }
  })
  .refine((schema) => !exceedsBytes(JSON.stringify(schema), ANSWER_SCHEMA_MAX_BYTES), {
    error: `must be at most ${ANSWER_SCHEMA_MAX_BYTES} bytes`,
  });
export type AnswerSchema = z.output<typeof answerSchemaSchema>;

/** What is asked, without what the switchboard adds. */
const askedShape = {
  text: textSchema(QUESTION_MAX_BYTES).min(1),
  /** The shape of the answer. Without it and without `options` any JSON value is an answer. */
  schema: answerSchemaSchema.optional(),
  /** The answer is one of these texts. */
  options: z.array(labelSchema.min(1)).min(1).max(OPTIONS_MAX).optional(),
};

/** A question as a worker (`POST /tasks/{taskId}/suspend`) or, of a gate, a supervisor (`POST /tasks`) asks it. */
export const askSchema = z
  .strictObject({
    ...askedShape,
    /** Agents that may answer beside the supervisor and admins; they get the `task_question` message instead of the supervisor. */
    askedOf: z.array(idSchema).min(1).max(ASKED_OF_MAX).optional(),
    /** The answer when the time is over. Without it the task fails then with QUESTION_TIMEOUT. */
    defaultAnswer: jsonSchema().optional(),
    timeoutSeconds: durationSecondsSchema.optional(),
  })
  .superRefine(({ schema, options, defaultAnswer, timeoutSeconds }, context) => {
    if (schema !== undefined && options !== undefined) {
      context.addIssue({ code: "custom", path: ["options"], message: "cannot be given together with schema" });
    }
    if (options !== undefined && new Set(options).size < options.length) {
      context.addIssue({ code: "custom", path: ["options"], message: "must not repeat an option" });
    }
    if (defaultAnswer !== undefined && timeoutSeconds === undefined) {
      context.addIssue({ code: "custom", path: ["defaultAnswer"], message: "needs timeoutSeconds" });
    }
  });
export type AskInput = z.input<typeof askSchema>;
export type Ask = z.output<typeof askSchema>;

/** The text of a question and the shape of its answer: what is encrypted of the question of a sensitive task. */
export const questionContentSchema = z.object(askedShape);
export type QuestionContent = z.output<typeof questionContentSchema>;

/** The number of the task's version at which it was asked, as text: `7`. */
export const questionIdSchema = z.string().regex(/^[1-9][0-9]{0,15}$/, "must be the id of a question, a whole number");

/** `POST /tasks/{taskId}/answer` */
export const answerTaskSchema = z.strictObject({
  agentId: idSchema,
  questionId: questionIdSchema,
  answer: jsonSchema(),
});
export type AnswerTaskInput = z.input<typeof answerTaskSchema>;
export type AnswerTask = z.output<typeof answerTaskSchema>;

/**
 * open → answered, timed_out (its default was taken, or the task failed) or ended (the task ended first). `waiting`: of a gate that
 * waits for other tasks.
 */
export const QUESTION_STATES = ["waiting", "open", "answered", "timed_out", "ended"] as const;
export type QuestionState = (typeof QUESTION_STATES)[number];

/** A question as a task shows it. */
export const taskQuestionSchema = questionContentSchema.extend({
  /** Empty for a reader who is not shown contents, and where it cannot be decrypted any more. */
  text: z.string(),
  /** Absent while the gate waits for other tasks. */
  questionId: questionIdSchema.optional(),
  state: z.enum(QUESTION_STATES),
  /** The agent that asked; absent of a gate. */
  askedBy: idSchema.optional(),
  askedOf: z.array(idSchema).optional(),
  askedAt: instantSchema.optional(),
  /** When its time is over. */
  expiresAt: instantSchema.optional(),
  defaultAnswer: z.json().optional(),
  answer: z.json().optional(),
  /** `system` for the default answer. */
  answeredBy: idSchema.optional(),
  answeredAt: instantSchema.optional(),
});
export type TaskQuestion = z.output<typeof taskQuestionSchema>;

/** An open question in `GET /questions`. */
export const openQuestionSchema = taskQuestionSchema.extend({
  questionId: questionIdSchema,
  taskId: idSchema,
  taskType: idSchema,
  supervisor: idSchema,
  priority: prioritySchema,
  sensitive: z.boolean().optional(),
  undecryptable: z.boolean().optional(),
});
export type OpenQuestion = z.output<typeof openQuestionSchema>;

export const listQuestionsQuerySchema = z.strictObject({ agentId: idSchema.optional(), ...pageQueryShape });
export type ListQuestionsQuery = z.output<typeof listQuestionsQuerySchema>;
export const listQuestionsReplySchema = z.object({
  questions: z.array(openQuestionSchema),
  nextCursor: nextCursorSchema,
});

/** Whether an answer to a gate says no: the gate then fails with REJECTED. Gates with a schema of their own never do. */
export function rejects({ schema, options }: Pick<QuestionContent, "schema" | "options">, answer: JsonValue): boolean {
  if (answer === "reject") return schema === undefined;
  if (schema !== undefined || options !== undefined) return false;
  return typeof answer === "object" && answer !== null && !Array.isArray(answer) && answer.decision === "reject";
}
