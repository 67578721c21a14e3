import { OWN_NEW_WORKFLOW, OWN_WORKFLOW, OWN_WORKFLOWS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { WORKFLOW_REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { assigning } from "./allowed-callers.ts";
import { CREATED_WORKFLOW, WORKFLOW, WORKFLOW_SUMMARY } from "./examples.ts";

/** The routes of tasks that are created together and depend on each other. */

/** Reading, by those who made it: a workflow names tasks and workers, not contents. */
const made = (own: typeof OWN_WORKFLOW) =>
  ({ roles: { supervisor: "own", observer: "without contents", admin: "any" }, own }) as const;

export const createWorkflow = defineRoute({
  key: "POST /workflows",
  name: "createWorkflow",
  summary: "Creates up to 200 tasks that depend on each other, all or none",
  description:
    "Each task is as in `POST /tasks`, with a `ref` by which the others name it in `dependsOn`; a text there is the ref of a task of this call, else the id of another task. Those that wait for nothing are handed out. Cycles and unknown refs are `422 DEPENDENCY_INVALID`.",
  example: {
    body: CREATED_WORKFLOW,
    reply: {
      workflowId: WORKFLOW.workflowId,
      status: "running",
      taskIds: Object.fromEntries(WORKFLOW.tasks.map(({ ref, taskId }) => [ref, taskId])),
    },
  },
  longWork: true,
  idle: false,
  allow: assigning(OWN_NEW_WORKFLOW),
  statuses: [200, 201],
  maxBodyBytes: WORKFLOW_REQUEST_MAX_BYTES,
  async handler(services, { body, header }) {
    const { duplicate, ...reply } = await services.workflows.create(body, {
      idempotencyKey: header("idempotency-key"),
    });
    return { status: duplicate ? 200 : 201, body: reply };
  },
});

export const listWorkflows = defineRoute({
  key: "GET /workflows",
  name: "listWorkflows",
  summary: "Lists workflows, newest first",
  description: "Without their tasks; how many of them are in which state is counted.",
  example: { reply: { workflows: [WORKFLOW_SUMMARY], nextCursor: null } },
  idle: false,
  allow: made(OWN_WORKFLOWS),
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.workflows.list(query) };
  },
});

export const getWorkflow = defineRoute({
  key: "GET /workflows/{workflowId}",
  name: "getWorkflow",
  summary: "Reads a workflow with the states of its tasks",
  description:
    "A task stands behind those that it waits for. The workflow is `running` while a task is open; then `failed` when a task failed, `cancelled` when a call cancelled one, else `completed`.",
  example: { reply: WORKFLOW },
  longReply: true,
  idle: false,
  allow: made(OWN_WORKFLOW),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.workflows.get(params.workflowId) };
  },
});

export const cancelWorkflow = defineRoute({
  key: "POST /workflows/{workflowId}/cancel",
  name: "cancelWorkflow",
  summary: "Cancels the open tasks of a workflow",
  description:
    "Those that no worker has begun end together. Of running ones the workers are asked to stop, so the workflow ends with the last of them.",
  example: {
    body: { reason: "The release was withdrawn" },
    reply: { workflowId: WORKFLOW.workflowId, status: "running", counts: WORKFLOW.counts },
  },
  longWork: true,
  idle: false,
  allow: assigning(OWN_WORKFLOW),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.workflows.cancel(params.workflowId, body) };
  },
});

export const retryWorkflow = defineRoute({
  key: "POST /workflows/{workflowId}/retry",
  name: "retryWorkflow",
  summary: "Reopens the tasks of a workflow that failed",
  description:
    "All that failed or were cancelled by a call, and what ended because of them; completed tasks stay as they are. The workflow is `running` again and tells of its end once more. `409 TASK_ENDED` when none failed, or names the cause as `POST /tasks/{taskId}/retry` does; then nothing is re-opened. While the workflow is running without failures it stays as it is.",
  example: {
    body: { reason: "The registry is back" },
    reply: { workflowId: WORKFLOW.workflowId, status: "running", counts: WORKFLOW.counts },
  },
  longWork: true,
  idle: false,
  allow: assigning(OWN_WORKFLOW),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.workflows.retry(params.workflowId, body) };
  },
});
