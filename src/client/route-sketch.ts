import type { z } from "zod";
import type * as A from "../lib/agents/agent.ts";
import type * as M from "../lib/messages/message.ts";
import type * as S from "../lib/statistics/statistics.ts";
import type * as T from "../lib/tasks/task.ts";

interface R<P, Q, B, Y> {
  params: P;
  query: Q;
  body: B;
  reply: Y;
}
type AgentId = z.ZodObject<{ agentId: z.ZodString }>;
type MessageId = z.ZodObject<{ messageId: z.ZodString }>;
type TaskId = z.ZodObject<{ taskId: z.ZodString }>;
type Type = z.ZodObject<{ type: z.ZodString }>;
type Empty = z.ZodObject<Record<never, never>>;

export type RouteTable = {
  "POST /agents": R<undefined, undefined, typeof A.registerAgentSchema, typeof A.registerAgentReplySchema>;
  "GET /agents": R<undefined, typeof A.listAgentsQuerySchema, undefined, typeof A.listAgentsReplySchema>;
  "GET /agents/{agentId}": R<AgentId, undefined, undefined, typeof A.agentSchema>;
  "DELETE /agents/{agentId}": R<AgentId, undefined, undefined, typeof A.agentSchema>;
  "POST /agents/{agentId}/heartbeat": R<AgentId, undefined, typeof A.heartbeatSchema, typeof A.heartbeatReplySchema>;
  "POST /messages": R<undefined, undefined, typeof M.sendMessageSchema, typeof M.sendMessageReplySchema>;
  "POST /messages/batch": R<undefined, undefined, typeof M.sendBatchSchema, typeof M.sendBatchReplySchema>;
  "GET /messages/{messageId}": R<MessageId, undefined, undefined, typeof M.messageSchema>;
  "POST /agents/{agentId}/messages/receive": R<
    AgentId,
    undefined,
    typeof M.receiveMessagesSchema,
    typeof M.receiveMessagesReplySchema
  >;
  "GET /agents/{agentId}/messages": R<
    AgentId,
    typeof M.peekMessagesQuerySchema,
    undefined,
    typeof M.listMessagesReplySchema
  >;
  "POST /messages/{messageId}/complete": R<
    MessageId,
    undefined,
    typeof M.completeMessageSchema,
    typeof M.settleReplySchema
  >;
  "POST /messages/{messageId}/retry": R<MessageId, undefined, typeof M.retryMessageSchema, typeof M.settleReplySchema>;
  "POST /messages/{messageId}/dead-letter": R<
    MessageId,
    undefined,
    typeof M.deadLetterMessageSchema,
    typeof M.settleReplySchema
  >;
  "POST /messages/{messageId}/renew": R<MessageId, undefined, typeof M.renewLeaseSchema, typeof M.settleReplySchema>;
  "POST /messages/settle": R<undefined, undefined, typeof M.settleMessagesSchema, typeof M.settleMessagesReplySchema>;
  "GET /dead-letters": R<undefined, typeof M.listDeadLettersQuerySchema, undefined, typeof M.listMessagesReplySchema>;
  "POST /dead-letters/redrive": R<undefined, undefined, typeof M.selectDeadLettersSchema, typeof M.countReplySchema>;
  "POST /dead-letters/purge": R<undefined, undefined, typeof M.selectDeadLettersSchema, typeof M.countReplySchema>;
  "POST /tasks": R<undefined, undefined, typeof T.assignTaskSchema, typeof T.assignTaskReplySchema>;
  "POST /tasks/preview": R<undefined, undefined, typeof T.assignTaskSchema, typeof T.explanationSchema>;
  "GET /tasks": R<undefined, typeof T.listTasksQuerySchema, undefined, typeof T.listTasksReplySchema>;
  "GET /tasks/{taskId}": R<TaskId, undefined, undefined, typeof T.taskSchema>;
  "GET /tasks/{taskId}/assignment": R<TaskId, undefined, undefined, typeof T.listAssignmentsReplySchema>;
  "GET /tasks/{taskId}/history": R<TaskId, typeof T.taskHistoryQuerySchema, undefined, typeof T.taskHistoryReplySchema>;
  "POST /tasks/{taskId}/start": R<TaskId, undefined, typeof T.startTaskSchema, typeof T.taskReplySchema>;
  "POST /tasks/{taskId}/progress": R<TaskId, undefined, typeof T.progressTaskSchema, typeof T.taskReplySchema>;
  "POST /tasks/{taskId}/complete": R<TaskId, undefined, typeof T.completeTaskSchema, typeof T.taskReplySchema>;
  "POST /tasks/{taskId}/fail": R<TaskId, undefined, typeof T.failTaskSchema, typeof T.taskReplySchema>;
  "POST /tasks/{taskId}/cancel": R<TaskId, undefined, typeof T.cancelTaskSchema, typeof T.taskReplySchema>;
  "GET /stats/queue": R<undefined, undefined, undefined, typeof S.queueStatisticsSchema>;
  "GET /stats/registry": R<undefined, undefined, undefined, typeof S.registryStatisticsSchema>;
  "GET /stats/coordination": R<undefined, undefined, undefined, typeof S.coordinationStatisticsSchema>;
  "GET /metrics": R<undefined, undefined, undefined, typeof S.metricsSchema>;
  "GET /health": R<undefined, undefined, undefined, typeof S.healthSchema>;
  "GET /health/live": R<undefined, undefined, undefined, z.ZodObject<{ status: z.ZodString }>>;
  "POST /maintenance": R<undefined, undefined, Empty, typeof S.maintenanceReportSchema>;
  "PUT /message-types/{type}": R<
    Type,
    undefined,
    z.ZodObject<{ schema: z.ZodJSONSchema }>,
    typeof M.messageTypeDefinitionSchema
  >;
  "GET /message-types/{type}": R<Type, undefined, undefined, typeof M.messageTypeDefinitionSchema>;
  "DELETE /message-types/{type}": R<Type, undefined, undefined, Empty>;
  "GET /message-types": R<
    undefined,
    z.ZodObject<{ limit: z.ZodNumber; cursor: z.ZodString }>,
    undefined,
    z.ZodObject<{
      messageTypes: z.ZodArray<typeof M.messageTypeDefinitionSchema>;
      nextCursor: z.ZodNullable<z.ZodString>;
    }>
  >;
  "GET /openapi.json": R<undefined, undefined, undefined, z.ZodJSONSchema>;
};
