import { z } from "zod";
import { explanationSchema } from "../explanation.ts";
import { answerTaskSchema, listQuestionsQuerySchema, listQuestionsReplySchema } from "../question.ts";
import { answerReplySchema, suspendReplySchema, suspendTaskSchema } from "../suspension.ts";
import {
  assignTaskReplySchema,
  assignTaskSchema,
  cancelTaskSchema,
  completeTaskSchema,
  failTaskSchema,
  getTaskQuerySchema,
  listAssignmentsQuerySchema,
  listAssignmentsReplySchema,
  listTasksQuerySchema,
  listTasksReplySchema,
  progressTaskSchema,
  retryTaskSchema,
  startTaskSchema,
  taskDependenciesReplySchema,
  taskReplySchema,
  taskSchema,
} from "../task.ts";
import { taskHistoryQuerySchema, taskHistoryReplySchema } from "../task-history.ts";
import { idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of tasks. */

const taskParams = z.strictObject({ taskId: idSchema });

export const TASKS = {
  "POST /tasks": { params: undefined, query: undefined, body: assignTaskSchema, reply: assignTaskReplySchema },
  "POST /tasks/preview": { params: undefined, query: undefined, body: assignTaskSchema, reply: explanationSchema },
  "GET /tasks": { params: undefined, query: listTasksQuerySchema, body: undefined, reply: listTasksReplySchema },
  "GET /tasks/{taskId}": { params: taskParams, query: getTaskQuerySchema, body: undefined, reply: taskSchema },
  "GET /tasks/{taskId}/assignment": {
    params: taskParams,
    query: listAssignmentsQuerySchema,
    body: undefined,
    reply: listAssignmentsReplySchema,
  },
  "GET /tasks/{taskId}/history": {
    params: taskParams,
    query: taskHistoryQuerySchema,
    body: undefined,
    reply: taskHistoryReplySchema,
  },
  "GET /tasks/{taskId}/dependencies": {
    params: taskParams,
    query: undefined,
    body: undefined,
    reply: taskDependenciesReplySchema,
  },
  "POST /tasks/{taskId}/cancel": {
    params: taskParams,
    query: undefined,
    body: cancelTaskSchema,
    reply: taskReplySchema,
  },
  "POST /tasks/{taskId}/retry": {
    params: taskParams,
    query: undefined,
    body: retryTaskSchema,
    reply: taskReplySchema,
  },
  "POST /tasks/{taskId}/start": { params: taskParams, query: undefined, body: startTaskSchema, reply: taskReplySchema },
  "POST /tasks/{taskId}/progress": {
    params: taskParams,
    query: undefined,
    body: progressTaskSchema,
    reply: taskReplySchema,
  },
  "POST /tasks/{taskId}/complete": {
    params: taskParams,
    query: undefined,
    body: completeTaskSchema,
    reply: taskReplySchema,
  },
  "POST /tasks/{taskId}/fail": { params: taskParams, query: undefined, body: failTaskSchema, reply: taskReplySchema },
  "POST /tasks/{taskId}/suspend": {
    params: taskParams,
    query: undefined,
    body: suspendTaskSchema,
    reply: suspendReplySchema,
  },
  "POST /tasks/{taskId}/answer": {
    params: taskParams,
    query: undefined,
    body: answerTaskSchema,
    reply: answerReplySchema,
  },
  "GET /questions": {
    params: undefined,
    query: listQuestionsQuerySchema,
    body: undefined,
    reply: listQuestionsReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
