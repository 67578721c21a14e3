import { BUILT_IN_MESSAGE_TYPES, type LeasedMessage } from "../model/message.ts";
import type { TaskSweepReport } from "../model/statistics.ts";
import type { ModelUsage } from "../model/usage.ts";
import { usageAttributes } from "../model/usage-attributes.ts";
import type { Store } from "../store/store.ts";
import type { Attributes, Span, Telemetry } from "../trace/telemetry.ts";

/** What is to be known of the verbs of the store: whom a call is about, and what is counted when it has been answered. */

/** The names of those verbs that answer later. */
type Verb = {
  [Name in keyof Store]: Store[Name] extends (...args: never[]) => Promise<unknown> ? Name : never;
}[keyof Store];
type Args<Name extends Verb> = Parameters<Store[Name]>;
type Result<Name extends Verb> = Awaited<ReturnType<Store[Name]>>;

/** What an answer is told to. */
export interface Observer {
  telemetry: Telemetry;
  /** The span of the verb. */
  span?: Span;
  /** The span that it was called in. */
  request?: Span;
  /** The store's time. */
  now: number;
}

const agent = (agentId: string) => ({ "agent_communication.agent.id": agentId });
const message = (messageId: string) => ({ "agent_communication.message.id": messageId });
const task = (taskId: string) => ({ "agent_communication.task.id": taskId });
const workflow = (workflowId: string) => ({ "agent_communication.workflow.id": workflowId });
const schedule = (scheduleId: string) => ({ "agent_communication.schedule.id": scheduleId });
const attempt = (
  taskId: string,
  call: { agentId: string; attempt: number; usage?: readonly ModelUsage[] | undefined },
) => ({
  ...agent(call.agentId),
  ...task(taskId),
  "agent_communication.attempt": call.attempt,
  ...usageAttributes(call.usage),
});

/** Whom a call is about: set on the span of the request. */
export const IDS = {
  registerAgent: ({ agentId, role }) => ({ ...agent(agentId), "agent_communication.agent.role": role }),
  getAgent: agent,
  deregisterAgent: agent,
  heartbeat: ({ agentId }) => agent(agentId),
  sendMessages(messages) {
    const [only] = messages;
    const count = { "agent_communication.messages.count": messages.length };
    return messages.length === 1 && only !== undefined ? { ...agent(only.sender), ...message(only.messageId) } : count;
  },
  getMessage: message,
  peekMessages: agent,
  claimMessages: ({ agentId }) => agent(agentId),
  settleMessages(agentId, settlements) {
    const [only] = settlements;
    const ids = { ...agent(agentId), "agent_communication.messages.count": settlements.length };
    return settlements.length === 1 && only !== undefined ? { ...ids, ...message(only.messageId) } : ids;
  },
  renewLease: ({ agentId, messageId }) => ({ ...agent(agentId), ...message(messageId) }),
  assignTask: ({ supervisor, taskId }) => ({ ...agent(supervisor), ...task(taskId) }),
  getTask: task,
  getDependencies: task,
  getAssignments: task,
  getTaskHistory: task,
  startTask: attempt,
  progressTask: attempt,
  completeTask: attempt,
  failTask: attempt,
  suspendTask: attempt,
  reportUsage: attempt,
  answerQuestion: (taskId, { agentId }) => ({ ...agent(agentId), ...task(taskId) }),
  cancelTask: task,
  retryTask: task,
  createWorkflow: ({ supervisor, workflowId, tasks }) => ({
    ...agent(supervisor),
    ...workflow(workflowId),
    "agent_communication.workflow.tasks": tasks.length,
  }),
  getWorkflow: workflow,
  cancelWorkflow: workflow,
  retryWorkflow: workflow,
  putSchedule: ({ supervisor, scheduleId }) => ({ ...agent(supervisor), ...schedule(scheduleId) }),
  getSchedule: schedule,
  deleteSchedule: schedule,
  moveSchedule: ({ scheduleId }) => schedule(scheduleId),
  fireSchedule: ({ scheduleId }) => schedule(scheduleId),
} satisfies { [Name in Verb]?: (...args: Args<Name>) => Attributes };

/** Verbs that mostly find nothing to do; their spans are kept when they did, or failed. */
export const IDLE: ReadonlySet<string> = new Set<Verb>([
  "claimMessages",
  "heartbeat",
  "checkHealth",
  "queueStatistics",
  "registryStatistics",
  "coordinationStatistics",
  "findDueSchedules",
]);

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_MESSAGE_TYPES);

/** What all types of the users' own are in a metric: there is no end of them. */
const CUSTOM = "custom";

/** Counted when a verb has been answered. A repeat that did nothing again is counted again, except for sends. */
export const AFTER = {
  registerAgent: ({ telemetry }) => telemetry.count("agent_communication.agents.registered"),
  heartbeat: ({ telemetry }) => telemetry.count("agent_communication.agents.heartbeats"),
  sendMessages({ telemetry }, replies) {
    telemetry.count("agent_communication.messages.sent", replies.filter(({ duplicate }) => !duplicate).length);
  },
  claimMessages(observer, { messages }) {
    if (messages.length > 0) delivered(observer, messages);
  },
  settleMessages({ telemetry }, results) {
    for (const { status: outcome } of results) {
      telemetry.count("agent_communication.messages.settled", 1, { outcome });
      if (outcome === "dead_lettered") {
        telemetry.count("agent_communication.messages.dead_lettered", 1, { by: "receiver" });
      }
    }
  },
  assignTask({ telemetry, request }, { status, duplicate }) {
    request?.set({ "agent_communication.task.status": status });
    if (status === "assigned" && !duplicate) {
      telemetry.count("agent_communication.tasks.assigned", 1, { how: "at_once" });
    }
  },
  startTask: ({ telemetry }) => telemetry.count("agent_communication.tasks.started"),
  completeTask({ telemetry, request }, { status }) {
    request?.set({ "agent_communication.task.status": status });
    telemetry.count("agent_communication.tasks.completed");
  },
  failTask({ telemetry, request }, { status }) {
    request?.set({ "agent_communication.task.status": status });
    if (status === "failed") telemetry.count("agent_communication.tasks.failed");
    else if (status !== "cancelled") telemetry.count("agent_communication.tasks.retried", 1, { by: "worker" });
  },
  cancelTask({ telemetry }, { status }) {
    if (status === "cancelled") telemetry.count("agent_communication.tasks.cancelled");
  },
  createWorkflow({ telemetry }, { duplicate }) {
    if (!duplicate) telemetry.count("agent_communication.workflows.created");
  },
  fireSchedule({ telemetry }, fired) {
    if (fired) telemetry.count("agent_communication.schedules.fired");
  },
  sweep({ telemetry, request }, report) {
    telemetry.swept();
    request?.set(done("sweep", report));
    telemetry.count("agent_communication.sweep.runs", 1, { outcome: "ok" });
    telemetry.count("agent_communication.agents.silenced", report.agentsInactivated);
    telemetry.count("agent_communication.leases.ended", report.leasesEnded);
    telemetry.count("agent_communication.messages.expired", report.messagesExpired);
    telemetry.count("agent_communication.messages.dead_lettered", report.messagesDeadLettered, { by: "sweep" });
    telemetry.count("agent_communication.tasks.abandoned", report.tasksAbandoned);
    countSweptTasks(telemetry, report);
  },
  sweepDueTasks({ telemetry, request }, report) {
    request?.set(done("sweep", report));
    countSweptTasks(telemetry, report);
  },
  maintain({ telemetry, request }, report) {
    request?.set(done("maintenance", report));
    telemetry.count("agent_communication.maintenance.runs", 1, { outcome: "ok" });
  },
} satisfies { [Name in Verb]?: (observer: Observer, result: Result<Name>, args: Args<Name>) => void };

function countSweptTasks(telemetry: Telemetry, report: TaskSweepReport): void {
  telemetry.count("agent_communication.tasks.timed_out", report.tasksTimedOut);
  telemetry.count("agent_communication.tasks.not_started", report.tasksNotStarted);
  telemetry.count("agent_communication.tasks.retried", report.tasksRequeued, { by: "sweep" });
  telemetry.count("agent_communication.tasks.assigned", report.tasksAssigned, { how: "handed_out" });
}

/** What an upkeep did; what it did not do is left out. */
function done(upkeep: string, report: Readonly<Record<string, number | boolean>>): Attributes {
  const entries = Object.entries(report).filter(([, value]) => value !== 0);
  return Object.fromEntries(entries.map(([what, value]) => [`agent_communication.${upkeep}.${what}`, value]));
}

/** Counted when a verb has failed. */
export const FAILED = {
  sweep: (telemetry, outcome) => telemetry.count("agent_communication.sweep.runs", 1, { outcome }),
  maintain: (telemetry, outcome) => telemetry.count("agent_communication.maintenance.runs", 1, { outcome }),
} satisfies { [Name in Verb]?: (telemetry: Telemetry, outcome: string) => void };

/**
 * A receive is in no message's trace, because it was there first and may bring several: it links to theirs, and each of
 * theirs gets the wait in the mailbox as a span that links back.
 */
function delivered({ telemetry, span, request, now }: Observer, messages: readonly LeasedMessage[]): void {
  span?.keep();
  request?.keep();
  request?.set({ "agent_communication.messages.count": messages.length });
  const links = request === undefined ? [] : [request.traceparent];
  for (const { messageId, receiver, type: name, availableAt, attempt: claim, traceparent } of messages) {
    const type = BUILT_IN.has(name) ? name : CUSTOM;
    telemetry.count("agent_communication.messages.received", 1, { type });
    // A message that comes again is available since it was first: that is no wait.
    const since = claim === 1 ? Date.parse(availableAt) : now;
    if (claim === 1) telemetry.measure("agent_communication.messages.wait", Math.max(0, now - since), { type });
    else telemetry.count("agent_communication.messages.redelivered", 1, { type });
    if (traceparent === undefined) continue;
    request?.link(traceparent);
    const ids = { ...message(messageId), ...agent(receiver), "agent_communication.attempt": claim };
    const attributes = { ...ids, "agent_communication.message.type": name };
    const wait = { name: "deliver", kind: "internal", attributes, parent: traceparent, links } as const;
    telemetry.record({ ...wait, startedAt: since, endedAt: now });
  }
}
