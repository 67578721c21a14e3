import { distinctDependencies } from "../../model/dependency.ts";
import type { AgentCommunicationError } from "../../model/errors.ts";
import type { JsonValue } from "../../model/json.ts";
import { PRIORITIES } from "../../model/values.ts";
import { actorOf } from "../../trace/call-context.ts";
import { askedOfNotFound, badExpiry } from "../question-refusals.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import type { NewQuestion, NewTask } from "../store.ts";
import { assigneeNotFound, dependencyInvalid, mayNotAssign, taskIdTaken, taskMismatch } from "../task-refusals.ts";
import type { OutcomeRow } from "./batch.ts";
import { encodeCapabilities } from "./capability-sets.ts";
import { itemJson, itemText } from "./item-text.ts";
import { encodeValues } from "./suspension-calls.ts";

/** Whether a task may be created, and whether it has been already; reads only. */

/** One call of assignTask. */
export interface NewTaskCall {
  task: NewTask;
  /** Made before the first try: tells the call's own repeat, after a lost answer, from somebody's duplicate. */
  operationId: string;
  /** Whether the batch for lone tasks may try it. */
  plain: boolean;
}

/** What CHECK_NEW_TASKS and INSERT_TASKS read of a call. Lists and long texts are read where they are needed. */
export function encodeNewTask({ task, operationId }: NewTaskCall): { [key: string]: JsonValue } {
  return {
    operationId,
    taskId: task.taskId,
    supervisor: task.supervisor,
    actor: actorOf(task.supervisor),
    assignTo: task.assignTo ?? null,
    taskType: task.taskType,
    priority: PRIORITIES.indexOf(task.priority),
    maxRetries: task.maxRetries,
    timeoutMilliseconds: Math.ceil(task.timeoutSeconds * 1_000),
    ...(task.startTimeoutSeconds === undefined
      ? {}
      : { startTimeoutMilliseconds: Math.ceil(task.startTimeoutSeconds * 1_000) }),
    parentTaskId: task.parentTaskId ?? null,
    idempotencyKey: task.idempotencyKey ?? null,
    requestHash: task.requestHash,
    ...encodeCapabilities(task.requiredCapabilities),
    preferred: [...new Set(task.preferredCapabilities)],
    prefers: Math.sign(task.preferredCapabilities.length),
    dependsOn: distinctDependencies(task.dependsOn).map(({ taskId, when }) => ({ taskId, when })),
    depends: Math.sign(task.dependsOn.length),
    description: itemText(task.description),
    parameters: itemJson(task.parameters),
    keyVersion: task.keyVersion ?? null,
    traceparent: task.traceparent ?? null,
    ...(task.expiresAt === undefined ? {} : { expiresAt: Date.parse(task.expiresAt) }),
    ...(task.children === undefined ? {} : { childTypes: task.children.taskTypes }),
    ...(task.question === undefined ? {} : encodeGate(task.question)),
  };
}

function encodeGate(question: NewQuestion): { [key: string]: JsonValue } {
  const { content, defaultAnswer, defaultRejects, askedOf, timeoutMilliseconds } = question;
  return {
    gate: true,
    asks: askedOf.length > 0,
    askedOf: [...askedOf],
    ...(timeoutMilliseconds === undefined ? {} : { timeout: timeoutMilliseconds }),
    rejects: Number(defaultRejects),
    ...encodeValues({ question: content, gate_default: defaultAnswer }),
  };
}

/** A row of @new as far as a refusal needs it. */
export type NewTaskRow = Pick<OutcomeRow, "code" | "subject">;

/** The refusal of a call, if any. */
export function refusalOf({ code, subject }: NewTaskRow, task: NewTask): AgentCommunicationError | undefined {
  switch (code) {
    case null:
      return undefined;
    case "AGENT_DEREGISTERED":
      return agentDeregistered(task.supervisor);
    case "FORBIDDEN":
      return mayNotAssign(task, subject ?? "");
    case "ID_TAKEN":
      return taskIdTaken(task);
    case "IDEMPOTENCY_MISMATCH":
      return taskMismatch(task, subject ?? "");
    case "DEPENDENCY_INVALID":
      return dependencyInvalid(task, subject ?? "");
    case "ASKED_OF":
      return askedOfNotFound(subject ?? "");
    case "INVALID_REQUEST":
      return badExpiry();
    default:
      return subject === "assignTo" ? assigneeNotFound(task.assignTo ?? "") : agentNotFound(task.supervisor);
  }
}
