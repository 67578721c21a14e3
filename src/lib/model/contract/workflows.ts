import { z } from "zod";
import { cancelTaskSchema, retryTaskSchema } from "../task.ts";
import { idSchema } from "../values.ts";
import {
  createWorkflowReplySchema,
  createWorkflowSchema,
  listWorkflowsQuerySchema,
  listWorkflowsReplySchema,
  workflowReplySchema,
  workflowSchema,
} from "../workflow.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of workflows. */

const workflowParams = z.strictObject({ workflowId: idSchema });

export const WORKFLOWS = {
  "POST /workflows": {
    params: undefined,
    query: undefined,
    body: createWorkflowSchema,
    reply: createWorkflowReplySchema,
  },
  "GET /workflows": {
    params: undefined,
    query: listWorkflowsQuerySchema,
    body: undefined,
    reply: listWorkflowsReplySchema,
  },
  "GET /workflows/{workflowId}": { params: workflowParams, query: undefined, body: undefined, reply: workflowSchema },
  "POST /workflows/{workflowId}/cancel": {
    params: workflowParams,
    query: undefined,
    body: cancelTaskSchema,
    reply: workflowReplySchema,
  },
  "POST /workflows/{workflowId}/retry": {
    params: workflowParams,
    query: undefined,
    body: retryTaskSchema,
    reply: workflowReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
