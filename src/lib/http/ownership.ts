import { nextRound } from "../base/event-loop.ts";
import type { OwnCaller, OwnRule, RequestParts } from "../gates/access.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { TaskRelation } from "../model/task.ts";
import type { Services } from "../services.ts";

/**
 * What is a caller's own, on each kind of route. Rules about an agent that the request itself names look at nothing else, so
 * that a refusal says nothing about what exists. Messages and tasks of others read as if they did not exist.
 */

export type Rule = OwnRule<Pick<Services, "store">>;

/** A text field of a part of the request; the schemas have checked that it is one where it is there. */
export function field(part: unknown, name: string): string | undefined {
  if (typeof part !== "object" || part === null || !(name in part)) return undefined;
  const value: unknown = Reflect.get(part, name);
  return typeof value === "string" ? value : undefined;
}

export function notYou(caller: OwnCaller, what: string): AgentCommunicationError {
  return new AgentCommunicationError(
    "FORBIDDEN",
    `The credential belongs to ${caller.agentId}; ${what} must be ${caller.agentId}.`,
  );
}

/** The named field of a part of the request must be the caller. */
function names(says: string, part: keyof RequestParts, name: string): Rule {
  return {
    says,
    check(caller, parts) {
      if (field(parts[part], name) !== caller.agentId) throw notYou(caller, name);
      return parts;
    },
  };
}

/** `/agents/{agentId}…` */
export const OWN_PATH: Rule = names("the agent of the path is the caller", "params", "agentId");
/** `{agentId, …}` */
export const OWN_BODY: Rule = names("`agentId` is the caller", "body", "agentId");
/** `{sender, …}` */
export const OWN_SENDER: Rule = names("`sender` is the caller", "body", "sender");

/** `{messages: [{sender, …}]}` */
export const OWN_SENDERS: Rule = {
  says: "every `sender` is the caller",
  check(caller, parts) {
    const messages: unknown =
      typeof parts.body === "object" && parts.body !== null ? Reflect.get(parts.body, "messages") : [];
    const all = Array.isArray(messages) && messages.every((message) => field(message, "sender") === caller.agentId);
    if (!all) throw notYou(caller, "every sender");
    return parts;
  },
};

/** A list in a part of the request; the schemas have checked that it is one where it is there. */
function list(part: unknown, name: string): unknown[] {
  if (typeof part !== "object" || part === null) return [];
  const value: unknown = Reflect.get(part, name);
  return Array.isArray(value) ? value : [];
}

/** Tasks that are looked up at once: 50 take a millisecond, and a request may name 2,000. */
const LOOK_UPS_AT_ONCE = 50;

/** @throws DEPENDENCY_INVALID */
export async function requireAssignedBy(
  caller: OwnCaller,
  taskIds: readonly string[],
  { store }: Pick<Services, "store">,
) {
  for (let first = 0; first < taskIds.length; first += LOOK_UPS_AT_ONCE) {
    if (first > 0) await nextRound();
    const some = taskIds.slice(first, first + LOOK_UPS_AT_ONCE);
    const relations = await Promise.all(some.map((taskId) => store.relationToTask(caller.agentId, taskId)));
    const foreign = some.find((_, n) => relations[n] !== "assigned_by");
    if (foreign === undefined) continue;
    // The words of the store for a task that does not exist: whose it is, if it does, is not told.
    throw new AgentCommunicationError("DEPENDENCY_INVALID", `The task depends on ${foreign}, which does not exist.`);
  }
}

/** The ids in the dependencies of a task. */
export function taskIdsOf(task: unknown): string[] {
  return list(task, "dependsOn").map((id) => field(id, "taskId") ?? String(id));
}

/** `{supervisor, dependsOn?}`: a task for oneself, after tasks of one's own. */
export const OWN_ASSIGNMENT: Rule = {
  says: "`supervisor` is the caller, and the caller assigned every task in `dependsOn`",
  async check(caller, parts, services) {
    if (field(parts.body, "supervisor") !== caller.agentId) throw notYou(caller, "supervisor");
    await requireAssignedBy(caller, taskIdsOf(parts.body), services);
    return parts;
  },
};

/** `{supervisor, tasks: [{ref, dependsOn?}]}`: tasks for oneself, after each other and tasks of one's own. */
export const OWN_NEW_WORKFLOW: Rule = {
  says: "`supervisor` is the caller, and the caller assigned every task in `dependsOn` that is not of the workflow",
  async check(caller, parts, services) {
    if (field(parts.body, "supervisor") !== caller.agentId) throw notYou(caller, "supervisor");
    await requireAssignedBy(caller, outsideTasks(parts.body), services);
    return parts;
  },
};

/** The ids in the dependencies that name no task of the workflow, neither by its ref nor by its id. */
export function outsideTasks(workflow: unknown): string[] {
  const tasks = list(workflow, "tasks");
  const refs = new Set(tasks.map((task) => field(task, "ref")));
  const own = new Set(tasks.map((task) => field(task, "taskId")));
  const ids = tasks
    .flatMap((task) => list(task, "dependsOn"))
    .map((dependency) => {
      if (typeof dependency === "string") return refs.has(dependency) ? undefined : dependency;
      return field(dependency, "taskId");
    });
  return [...new Set(ids)].flatMap((id) => (id === undefined || own.has(id) ? [] : [id]));
}

/** `/workflows/{workflowId}…` */
export const OWN_WORKFLOW: Rule = {
  says: "the caller made the workflow; otherwise `NOT_FOUND`",
  async check(caller, parts, { store }) {
    const workflowId = field(parts.params, "workflowId") ?? "";
    if (await store.ownsWorkflow(caller.agentId, workflowId)) return parts;
    // The words of the store for one that does not exist.
    throw new AgentCommunicationError("NOT_FOUND", `There is no workflow ${workflowId}.`);
  },
};

/** `GET /workflows`: narrowed to those that the caller made. */
export const OWN_WORKFLOWS: Rule = {
  says: "narrowed to the workflows that the caller made",
  check(caller, parts) {
    const given = field(parts.query, "supervisor");
    if (given !== undefined && given !== caller.agentId) throw notYou(caller, "supervisor");
    const query = typeof parts.query === "object" && parts.query !== null ? parts.query : {};
    return { ...parts, query: { ...query, supervisor: caller.agentId } };
  },
};

function messageNotFound(messageId: string): AgentCommunicationError {
  return new AgentCommunicationError("MESSAGE_NOT_FOUND", `There is no message ${messageId}.`);
}

/** `/messages/{messageId}`: sent or received, from a work queue, too. */
export const OWN_MESSAGE: Rule = {
  says: "the caller is the sender, the receiver or, in a work queue, the agent that leased it last; otherwise `MESSAGE_NOT_FOUND`",
  async check(caller, parts, { store }) {
    const messageId = field(parts.params, "messageId") ?? "";
    if ((await store.relationToMessage(caller.agentId, messageId)) === undefined) throw messageNotFound(messageId);
    return parts;
  },
};

/** `/messages/{messageId}`: sent by the caller. */
export const OWN_SENT_MESSAGE: Rule = {
  says: "the caller is the sender; otherwise `MESSAGE_NOT_FOUND`",
  async check(caller, parts, { store }) {
    const messageId = field(parts.params, "messageId") ?? "";
    if ((await store.relationToMessage(caller.agentId, messageId)) !== "sent_by") throw messageNotFound(messageId);
    return parts;
  },
};

/** @param own what makes a task the caller's */
function ownTask(says: string, own: readonly TaskRelation[]): Rule {
  return {
    says: `${says}; otherwise \`TASK_NOT_FOUND\``,
    async check(caller, parts, { store }) {
      const taskId = field(parts.params, "taskId") ?? "";
      const relation = await store.relationToTask(caller.agentId, taskId);
      if (relation !== undefined && own.includes(relation)) return parts;
      throw new AgentCommunicationError("TASK_NOT_FOUND", `There is no task ${taskId}.`);
    },
  };
}

/** `/tasks/{taskId}/…`, reading. */
export const OWN_TASK: Rule = ownTask("the caller assigned the task, or it is assigned to the caller", [
  "assigned_by",
  "assigned_to",
]);

/** `/tasks/{taskId}`: also what the caller needs for its work. Its supervisor has said so by `dependsOn`, of tasks of its own. */
export const OWN_OR_NEEDED_TASK: Rule = ownTask(
  "the caller assigned the task, or it is assigned to the caller, or a current task of the caller depends on it",
  ["assigned_by", "assigned_to", "needed_by"],
);

/** `/tasks/{taskId}…`, deciding. */
export const OWN_ASSIGNED_TASK: Rule = ownTask("the caller assigned the task", ["assigned_by"]);

/** `GET /tasks`: narrowed to the caller, as a supervisor to what it assigned, as a worker to what it was given. */
export const OWN_TASKS: Rule = {
  says: "narrowed to the tasks that the caller assigned (a supervisor) or was given (a worker)",
  check(caller, parts) {
    const name = caller.role === "supervisor" ? "supervisor" : "assignedTo";
    const given = field(parts.query, name);
    if (given !== undefined && given !== caller.agentId) throw notYou(caller, name);
    const query = typeof parts.query === "object" && parts.query !== null ? parts.query : {};
    return { ...parts, query: { ...query, [name]: caller.agentId } };
  },
};

/** `GET /usage`: narrowed to the tasks that the caller assigned; the domain sees to it that no earlier agent of its name did. */
export const OWN_USAGE: Rule = {
  says: "narrowed to the tasks that the caller assigned since it was registered",
  check: OWN_WORKFLOWS.check,
};

/** `GET /questions`: narrowed to what the caller may answer. */
export const OWN_QUESTIONS: Rule = {
  says: "narrowed to the questions that the caller may answer",
  check(caller, parts) {
    const given = field(parts.query, "agentId");
    if (given !== undefined && given !== caller.agentId) throw notYou(caller, "agentId");
    const query = typeof parts.query === "object" && parts.query !== null ? parts.query : {};
    return { ...parts, query: { ...query, agentId: caller.agentId } };
  },
};

/** Channels decide by their grants, in the domain. */
export const BY_GRANTS: Rule = {
  says: "the channel's grants allow it; otherwise `CHANNEL_FORBIDDEN`",
  check: (_caller, parts) => parts,
};

/** As BY_GRANTS, for routes on which the request names who receives, too. */
export const OWN_BODY_BY_GRANTS: Rule = {
  says: "`agentId` is the caller, and the channel's grants allow it",
  check: OWN_BODY.check,
};
