import { OWN_ASSIGNED_TASK, OWN_ASSIGNMENT, OWN_OR_NEEDED_TASK, OWN_TASK, OWN_TASKS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import {
  assignTaskReplySchema,
  assignTaskSchema,
  cancelTaskSchema,
  explanationSchema,
  listAssignmentsQuerySchema,
  listAssignmentsReplySchema,
  listTasksQuerySchema,
  listTasksReplySchema,
  taskHistoryQuerySchema,
  taskHistoryReplySchema,
  taskReplySchema,
  taskSchema,
} from "../lib/tasks/task.ts";
import { assigning, reading, taskParams } from "./shapes.ts";

/** The routes of those who hand out work and of those who look on; what workers call is in task-progress.ts. */

export const assignTask = defineRoute({
  key: "POST /tasks",
  name: "assignTask",
  summary: "Creates a task and assigns it to the worker that fits best, or lets it wait",
  allow: assigning(OWN_ASSIGNMENT),
  params: undefined,
  query: undefined,
  body: assignTaskSchema,
  reply: assignTaskReplySchema,
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
  summary: "Explains whom an assignment would weigh and choose now; writes nothing",
  allow: assigning(OWN_ASSIGNMENT),
  params: undefined,
  query: undefined,
  body: assignTaskSchema,
  reply: explanationSchema,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.coordinator.preview(body) };
  },
});

export const listTasks = defineRoute({
  key: "GET /tasks",
  name: "listTasks",
  summary: "Lists tasks, the newest first",
  allow: reading(OWN_TASKS),
  params: undefined,
  query: listTasksQuerySchema,
  body: undefined,
  reply: listTasksReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.coordinator.list(query) };
  },
});

export const getTask = defineRoute({
  key: "GET /tasks/{taskId}",
  name: "getTask",
  summary: "Reads one task, archived ones included",
  allow: reading(OWN_OR_NEEDED_TASK),
  params: taskParams,
  query: undefined,
  body: undefined,
  reply: taskSchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.coordinator.get(params.taskId) };
  },
});

export const getTaskAssignments = defineRoute({
  key: "GET /tasks/{taskId}/assignment",
  name: "getTaskAssignments",
  summary: "Explains the attempts, the oldest first: who was considered with which scores, and who was not and why",
  allow: { roles: { supervisor: "own", observer: "without contents", admin: "any" }, own: OWN_ASSIGNED_TASK },
  params: taskParams,
  query: listAssignmentsQuerySchema,
  body: undefined,
  reply: listAssignmentsReplySchema,
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.coordinator.assignments(params.taskId, query) };
  },
});

export const getTaskHistory = defineRoute({
  key: "GET /tasks/{taskId}/history",
  name: "getTaskHistory",
  summary: "Lists what happened to a task, the newest first",
  allow: reading(OWN_TASK),
  params: taskParams,
  query: taskHistoryQuerySchema,
  body: undefined,
  reply: taskHistoryReplySchema,
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.coordinator.history(params.taskId, query) };
  },
});

export const cancelTask = defineRoute({
  key: "POST /tasks/{taskId}/cancel",
  name: "cancelTask",
  summary: "Cancels a task that is not running at once; asks a running one to stop",
  allow: assigning(OWN_ASSIGNED_TASK),
  params: taskParams,
  query: undefined,
  body: cancelTaskSchema,
  reply: taskReplySchema,
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.coordinator.cancel(params.taskId, body) };
  },
});
