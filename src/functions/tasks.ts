import { OWN_ASSIGNED_TASK, OWN_ASSIGNMENT, OWN_OR_NEEDED_TASK, OWN_TASK, OWN_TASKS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { assigning, reading } from "./allowed-callers.ts";
import { ASSIGNED_TASK, EXPLANATION, TASK } from "./examples.ts";

/** The routes of those who hand out work and of those who look on; what workers call is in task-progress.ts. */

export const assignTask = defineRoute({
  key: "POST /tasks",
  name: "assignTask",
  summary: "Creates a task and assigns it to the best worker",
  description:
    "The worker gets a `task_assignment` message. Without a worker that fits, the task waits for one; with unfinished tasks in `dependsOn`, it waits for those first.",
  example: {
    body: ASSIGNED_TASK,
    reply: { taskId: "build-1", status: "assigned", assignedTo: "backend-1", attempt: 1 },
  },
  idle: false,
  allow: assigning(OWN_ASSIGNMENT),
  statuses: [200, 201],
  async handler(services, { body, header }) {
    const { duplicate, ...reply } = await services.coordinator.assign(body, {
      idempotencyKey: header("idempotency-key"),
    });
    return { status: duplicate ? 200 : 201, body: reply };
  },
});

export const previewTask = defineRoute({
  key: "POST /tasks/preview",
  name: "previewTask",
  summary: "Explains which worker a task would be assigned to now",
  description:
    "Returns the workers that were considered, with their scores, and how many were excluded for which reason. Writes nothing.",
  example: { body: ASSIGNED_TASK, reply: EXPLANATION },
  idle: false,
  allow: assigning(OWN_ASSIGNMENT),
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.coordinator.preview(body) };
  },
});

export const listTasks = defineRoute({
  key: "GET /tasks",
  name: "listTasks",
  summary: "Lists tasks, newest first",
  description:
    "An agent that is not an admin or an observer sees its own: a supervisor those that it assigned, a worker those that were assigned to it.",
  example: { reply: { tasks: [TASK], nextCursor: null } },
  idle: false,
  allow: reading(OWN_TASKS),
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.coordinator.list(query) };
  },
});

export const getTask = defineRoute({
  key: "GET /tasks/{taskId}",
  name: "getTask",
  summary: "Reads a task",
  description:
    "Archived tasks are included. A worker may also read the tasks that its own task depends on. With `afterVersion` and `waitSeconds` the call waits until the task has a greater `version`, and answers with the task as it is when the time is over.",
  example: { reply: TASK },
  idle: false,
  allow: reading(OWN_OR_NEEDED_TASK),
  statuses: [200],
  async handler(services, input) {
    // The signal is made when it is first read, so only a call that will wait asks for it.
    const signal = input.query !== undefined && input.query.waitSeconds > 0 ? input.signal : undefined;
    return { status: 200, body: await services.coordinator.get(input.params.taskId, input.query, signal) };
  },
});

export const getTaskAssignments = defineRoute({
  key: "GET /tasks/{taskId}/assignment",
  name: "getTaskAssignments",
  summary: "Explains the attempts of a task, oldest first",
  description:
    "For each attempt: the workers that were considered, with their scores, how many were excluded for which reason, and how the attempt ended.",
  example: { reply: { assignments: [{ ...EXPLANATION, attempt: 1, assignedAt: TASK.createdAt }], nextCursor: null } },
  idle: false,
  allow: { roles: { supervisor: "own", observer: "without contents", admin: "any" }, own: OWN_ASSIGNED_TASK },
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.coordinator.assignments(params.taskId, query) };
  },
});

export const getTaskHistory = defineRoute({
  key: "GET /tasks/{taskId}/history",
  name: "getTaskHistory",
  summary: "Lists the events of a task, newest first",
  description: "From `created` to `completed`, `failed` or `cancelled`.",
  example: {
    reply: { events: [{ event: "assigned", at: TASK.createdAt, attempt: 1, agentId: "backend-1" }], nextCursor: null },
  },
  idle: false,
  allow: reading(OWN_TASK),
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.coordinator.history(params.taskId, query) };
  },
});

export const getTaskDependencies = defineRoute({
  key: "GET /tasks/{taskId}/dependencies",
  name: "getTaskDependencies",
  summary: "Reads how the tasks have ended that a task depends on",
  description:
    "The same as `dependencies` and `resume.children` in its `task_assignment`: in the order of `dependsOn`, results and errors as long as 256 KiB suffice for them, and while the task is assigned or running. The others have `truncated`, and are read by `GET /tasks/{taskId}`. An archived task is `404 TASK_NOT_FOUND`.",
  example: {
    reply: {
      dependencies: [
        { ref: "lint", taskId: "lint-1", status: "completed", result: { warnings: 2 } },
        { ref: "test", taskId: "test-1", status: "failed", error: "3 tests failed" },
      ],
    },
  },
  longReply: true,
  idle: false,
  allow: reading(OWN_TASK),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.coordinator.dependencies(params.taskId) };
  },
});

export const cancelTask = defineRoute({
  key: "POST /tasks/{taskId}/cancel",
  name: "cancelTask",
  summary: "Cancels a task",
  description:
    "A task that is not running ends at once. Of a running one the worker is asked to stop; if it completes the task all the same, the task is completed.",
  example: {
    body: { reason: "The order was withdrawn" },
    reply: { taskId: "build-1", status: "running", cancelRequested: true, deadline: "2026-03-01T10:00:00.000Z" },
  },
  idle: false,
  allow: assigning(OWN_ASSIGNED_TASK),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.coordinator.cancel(params.taskId, body) };
  },
});

export const retryTask = defineRoute({
  key: "POST /tasks/{taskId}/retry",
  name: "retryTask",
  summary: "Reopens a task that failed or was cancelled",
  description:
    "Its retries are whole again, its attempts go on counting, and it ends once more with a `task_result`. What ended because of it (`DEPENDENCY_FAILED`, `NOT_NEEDED`, `STOPPED`) waits for it again. `409 TASK_ENDED` names the cause where it cannot be: it completed, it is archived, its `expiresAt` has passed, what it waits for has failed, or a task that waited for its failure has begun. A task that is open stays as it is.",
  example: {
    body: { reason: "The registry is back" },
    reply: { taskId: "build-1", status: "pending", cancelRequested: false },
  },
  idle: false,
  allow: assigning(OWN_ASSIGNED_TASK),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.coordinator.retry(params.taskId, body) };
  },
});
