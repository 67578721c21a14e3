import { asHolder } from "../lib/http/held.ts";
import { OWN_BODY } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { BATCH_REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { working } from "./allowed-callers.ts";

/** What the worker that holds the current attempt says about it. */

export const startTask = defineRoute({
  key: "POST /tasks/{taskId}/start",
  name: "startTask",
  summary: "Starts an assigned task",
  description:
    "Names the agent that has the task and the attempt. Any other agent or attempt is `409 LEASE_LOST` and changes nothing.",
  example: {
    body: { agentId: "backend-1", attempt: 1 },
    reply: { taskId: "build-1", status: "running", cancelRequested: false, deadline: "2026-03-01T10:00:00.000Z" },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.start(params.taskId, body)) };
  },
});

export const progressTask = defineRoute({
  key: "POST /tasks/{taskId}/progress",
  name: "progressTask",
  summary: "Reports the progress of a task",
  description:
    "Starts the task if it was not started. `extendSeconds` moves the deadline to that many seconds from now, if that is later. `usage` is what the attempt has used of models so far, as in `POST /tasks/{taskId}/usage`. The reply says whether a cancellation was requested.",
  example: {
    body: { agentId: "backend-1", attempt: 1, percent: 40, note: "Tests run" },
    reply: { taskId: "build-1", status: "running", cancelRequested: false, deadline: "2026-03-01T10:00:00.000Z" },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.progress(params.taskId, body)) };
  },
});

export const completeTask = defineRoute({
  key: "POST /tasks/{taskId}/complete",
  name: "completeTask",
  summary: "Completes a task",
  description: "The supervisor gets a `task_result` message with the result. Tasks that depend on this one may start.",
  example: {
    body: { agentId: "backend-1", attempt: 1, result: { ok: true } },
    reply: { taskId: "build-1", status: "completed", cancelRequested: false },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.complete(params.taskId, body)) };
  },
});

export const failTask = defineRoute({
  key: "POST /tasks/{taskId}/fail",
  name: "failTask",
  summary: "Reports that an attempt of a task failed",
  description:
    "The task is assigned again after a delay, or ends as `failed` when `retryable` is false or its retries are used up.",
  example: {
    body: { agentId: "backend-1", attempt: 1, error: "The compiler ran out of memory" },
    reply: { taskId: "build-1", status: "pending", cancelRequested: false },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.coordinator.fail(params.taskId, body)) };
  },
});

export const suspendTask = defineRoute({
  key: "POST /tasks/{taskId}/suspend",
  name: "suspendTask",
  summary: "Suspends a task until a question is answered, a time is reached or children have ended",
  description:
    "Ends the attempt and frees the slot; no retry is used. Children are tasks that are created in the same step, of the types that the task's `children` allow. When the answer, the time or the last end of a child comes, the task is assigned again, to the same agent if it has room, and the assignment tells the checkpoint and the answer in `resume`. A requested cancellation ends the task instead.",
  example: {
    body: {
      agentId: "backend-1",
      attempt: 1,
      checkpoint: { built: "2.1" },
      until: { question: { text: "Deploy version 2.1 to production?", options: ["deploy", "wait"] } },
    },
    reply: { taskId: "deploy-1", status: "input_required", cancelRequested: false, questionId: "4" },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  maxBodyBytes: BATCH_REQUEST_MAX_BYTES,
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.questions.suspend(params.taskId, body)) };
  },
});
