import type { JsonValue } from "../lib/model/json.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import type { Resume } from "../lib/model/resume.ts";
import type {
  DependencyResult,
  Task,
  TaskAssignmentPayload,
  TaskResultPayload,
  TaskStatus,
} from "../lib/model/task.ts";

/** Reads the payloads that the switchboard itself writes, by hand: the client carries no schema library. */

/** One attempt at a task, as the worker gets it. */
export type AssignedTask = Omit<TaskAssignmentPayload, "parameters" | "dependencies" | "resume"> & {
  parameters: JsonValue;
  /** Of a task that was suspended: what woke it, and what it left for itself. */
  resume?: AssignedResume;
  /** How the tasks have ended that it depends on, in the order of `dependsOn`; empty where there are none. */
  dependencies: AssignedDependency[];
  /** W3C Trace Context of the assignment. */
  traceparent?: string | undefined;
};

/** What woke a suspended task; `children` as `dependencies`. */
export type AssignedResume = Omit<Resume, "children"> & { children?: AssignedDependency[] };

/** How a task has ended that another one depends on. With `truncated`, `client.getTask(taskId)` has its result or error. */
export type AssignedDependency = Omit<DependencyResult, "result"> & { result?: JsonValue | undefined };

/** How a task ended. */
export type TaskOutcome = Omit<TaskResultPayload, "result"> & { result?: JsonValue | undefined };

/** An open question of a task. */
export interface AskedQuestion {
  taskId: string;
  taskType: string;
  /** Of this question: the task may ask another one later. */
  questionId: string;
  text: string;
  /** The answer is one of these texts. */
  options?: string[];
  /** The answer is an object of this shape, a JSON Schema. Without it and `options` any JSON is an answer. */
  schema?: JsonValue;
  /** The agent whose words these are: the one that asked, or of a gate its supervisor. */
  authoredBy: string;
  /** When the default is taken, or the task fails: ISO 8601. */
  expiresAt?: string;
  /** True when the question is encrypted where it is stored. */
  sensitive?: true;
}

/** The sender of what the switchboard itself writes: no agent can have this id. */
const SYSTEM_SENDER = "system";

/**
 * Whether a message is what its type says. A server of an earlier version took these types from agents, too, so that one could
 * still be in a mailbox; acting on it would mean acting for any agent.
 *
 * @param types those that only the switchboard writes
 */
export function isForged({ type, sender }: Pick<LeasedMessage, "type" | "sender">, types: readonly string[]): boolean {
  return sender !== SYSTEM_SENDER && types.includes(type);
}

/** Why a forged message is dead-lettered, for those who look at it. */
export function forgeryReason({ type, sender }: Pick<LeasedMessage, "type" | "sender">): string {
  return `${type} is written only by the switchboard, and this one was sent by ${sender}`;
}

function members(payload: JsonValue): { [key: string]: JsonValue } {
  return typeof payload === "object" && payload !== null && !Array.isArray(payload) ? payload : {};
}

/** The assignment in a `task_assignment`, or undefined when the payload is not one. */
export function readAssignment({
  payload,
  traceparent,
}: Pick<LeasedMessage, "payload" | "traceparent">): AssignedTask | undefined {
  const { taskId, attempt, taskType, description, parameters = null, deadline, ...more } = members(payload);
  if (typeof taskId !== "string" || typeof attempt !== "number" || typeof taskType !== "string") return undefined;
  if (typeof description !== "string" || typeof deadline !== "string") return undefined;
  const dependencies = readDependencies(more.dependencies);
  const task = { taskId, attempt, taskType, description, parameters, deadline, dependencies, traceparent };
  const resumed = more.resume === undefined ? undefined : readResume(more.resume);
  return resumed === undefined ? task : { ...task, resume: resumed };
}

/** Left out: it depends on nothing. What is none of our dependencies is passed over. */
function readDependencies(payload: JsonValue | undefined): AssignedDependency[] {
  return Array.isArray(payload) ? payload.flatMap((member) => readDependency(member) ?? []) : [];
}

function readDependency(payload: JsonValue): AssignedDependency | undefined {
  const { ref, taskId, status, result, error, truncated } = members(payload);
  if (typeof taskId !== "string" || !isTaskStatus(status)) return undefined;
  const dependency: AssignedDependency = { taskId, status };
  if (typeof ref === "string") dependency.ref = ref;
  if (result !== undefined) dependency.result = result;
  if (typeof error === "string") dependency.error = error;
  if (truncated === true) dependency.truncated = true;
  return dependency;
}

const STATUSES: Readonly<Record<TaskStatus, true>> = {
  blocked: true,
  pending: true,
  assigned: true,
  running: true,
  input_required: true,
  completed: true,
  failed: true,
  cancelled: true,
};

function isTaskStatus(value: JsonValue | undefined): value is TaskStatus {
  return typeof value === "string" && Object.hasOwn(STATUSES, value);
}

function readResume(payload: JsonValue): AssignedResume | undefined {
  const { reason, checkpoint, questionId, answer, answeredBy, children } = members(payload);
  if (reason !== "answered" && reason !== "time" && reason !== "children_ended") return undefined;
  const resume: AssignedResume = { reason };
  if (children !== undefined) resume.children = readDependencies(children);
  if (checkpoint !== undefined) resume.checkpoint = checkpoint;
  if (typeof questionId === "string") resume.questionId = questionId;
  if (answer !== undefined) resume.answer = answer;
  if (typeof answeredBy === "string") resume.answeredBy = answeredBy;
  return resume;
}

/** What its assignment says of a suspension, from the task itself, and from what its children have come to. */
export function resumeOf(
  { resumedBy, checkpoint, question }: Pick<Task, "resumedBy" | "checkpoint" | "question">,
  children: AssignedDependency[] | undefined,
): AssignedResume | undefined {
  if (resumedBy === undefined) return undefined;
  const resume: AssignedResume = { reason: resumedBy };
  if (children !== undefined) resume.children = children;
  if (checkpoint !== undefined) resume.checkpoint = checkpoint;
  if (resumedBy !== "answered" || question === undefined) return resume;
  const { questionId, answer, answeredBy } = question;
  if (questionId !== undefined) resume.questionId = questionId;
  if (answer !== undefined) resume.answer = answer;
  if (answeredBy !== undefined) resume.answeredBy = answeredBy;
  return resume;
}

/** The task that a `task_cancel` names. */
export function readCancel(payload: JsonValue): string | undefined {
  const { taskId } = members(payload);
  return typeof taskId === "string" ? taskId : undefined;
}

/** The question in a `task_question`, or undefined when the payload is not one. */
export function readQuestion(payload: JsonValue): AskedQuestion | undefined {
  const { taskId, taskType, questionId, question, authoredBy, expiresAt, sensitive } = members(payload);
  if (typeof taskId !== "string" || typeof taskType !== "string" || typeof questionId !== "string") return undefined;
  const { text, options, schema } = members(question ?? null);
  if (typeof text !== "string" || typeof authoredBy !== "string") return undefined;
  const asked: AskedQuestion = { taskId, taskType, questionId, text, authoredBy };
  if (Array.isArray(options)) asked.options = options.filter((option) => typeof option === "string");
  if (schema !== undefined) asked.schema = schema;
  if (typeof expiresAt === "string") asked.expiresAt = expiresAt;
  if (sensitive === true) asked.sensitive = true;
  return asked;
}

/** The outcome in a `task_result`, or undefined when the payload is not one. */
export function readResult(payload: JsonValue): TaskOutcome | undefined {
  const { taskId, taskType, status, attempt, result, error } = members(payload);
  if (typeof taskId !== "string" || typeof taskType !== "string" || typeof attempt !== "number") return undefined;
  if (status !== "completed" && status !== "failed" && status !== "cancelled") return undefined;
  return {
    taskId,
    taskType,
    status,
    attempt,
    ...(result === undefined ? {} : { result }),
    ...(typeof error === "string" ? { error } : {}),
  };
}

/** The workflow that a `workflow_result` tells of, or undefined when the payload is not one. */
export function readWorkflowResult(payload: JsonValue): string | undefined {
  const { workflowId } = members(payload);
  return typeof workflowId === "string" ? workflowId : undefined;
}
