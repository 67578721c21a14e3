import { asHolder } from "../lib/http/held.ts";
import { OWN_BODY } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import {
  completeTaskSchema,
  failTaskSchema,
  progressTaskSchema,
  startTaskSchema,
  taskReplySchema,
} from "../lib/tasks/task.ts";
import { taskParams, working } from "./shapes.ts";

/** What the worker that holds the current attempt says about it. */

export const startTask = defineRoute({
  key: "POST /tasks/{taskId}/start",
  name: "startTask",
  summary: "Moves an assigned task to running",
  allow: working(OWN_BODY),
  params: taskParams,
  query: undefined,
  body: startTaskSchema,
  reply: taskReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.start(params.taskId, body)) };
  },
});

export const progressTask = defineRoute({
  key: "POST /tasks/{taskId}/progress",
  name: "progressTask",
  summary: "Reports progress, may extend the deadline; answers whether a cancel was asked for",
  allow: working(OWN_BODY),
  params: taskParams,
  query: undefined,
  body: progressTaskSchema,
  reply: taskReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.progress(params.taskId, body)) };
  },
});

export const completeTask = defineRoute({
  key: "POST /tasks/{taskId}/complete",
  name: "completeTask",
  summary: "Completes a task and sends its result to the supervisor",
  allow: working(OWN_BODY),
  params: taskParams,
  query: undefined,
  body: completeTaskSchema,
  reply: taskReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.complete(params.taskId, body)) };
  },
});

export const failTask = defineRoute({
  key: "POST /tasks/{taskId}/fail",
  name: "failTask",
  summary: "Reports a failure: requeued with backoff, or failed when final or out of retries",
  allow: working(OWN_BODY),
  params: taskParams,
  query: undefined,
  body: failTaskSchema,
  reply: taskReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.fail(params.taskId, body)) };
  },
});
