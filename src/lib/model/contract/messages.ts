import { z } from "zod";
import {
  completeMessageSchema,
  countReplySchema,
  deadLetterMessageSchema,
  listDeadLettersQuerySchema,
  listMessagesReplySchema,
  messageSchema,
  messageTypeDefinitionSchema,
  messageTypeSchema,
  peekMailboxQuerySchema,
  purgeMailboxSchema,
  receiveMessagesReplySchema,
  receiveMessagesSchema,
  renewLeaseSchema,
  retryMessageSchema,
  selectDeadLettersSchema,
  sendBatchReplySchema,
  sendBatchSchema,
  sendMessageReplySchema,
  sendMessageSchema,
  settleMessagesReplySchema,
  settleMessagesSchema,
  settleReplySchema,
  withdrawReplySchema,
} from "../message.ts";
import {
  customMessageTypeSchema,
  deleteMessageTypeReplySchema,
  listMessageTypesQuerySchema,
  listMessageTypesReplySchema,
  putMessageTypeSchema,
} from "../message-type.ts";
import { idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of messages, mailboxes, dead letters and message types. */

const typeParams = z.strictObject({ type: messageTypeSchema });
const agentParams = z.strictObject({ agentId: idSchema });
const messageParams = z.strictObject({ messageId: idSchema });

export const MESSAGES = {
  "POST /messages": { params: undefined, query: undefined, body: sendMessageSchema, reply: sendMessageReplySchema },
  "POST /messages/batch": { params: undefined, query: undefined, body: sendBatchSchema, reply: sendBatchReplySchema },
  "POST /messages/settle": {
    params: undefined,
    query: undefined,
    body: settleMessagesSchema,
    reply: settleMessagesReplySchema,
  },
  "GET /messages/{messageId}": { params: messageParams, query: undefined, body: undefined, reply: messageSchema },
  "DELETE /messages/{messageId}": {
    params: messageParams,
    query: undefined,
    body: undefined,
    reply: withdrawReplySchema,
  },
  "POST /messages/{messageId}/complete": {
    params: messageParams,
    query: undefined,
    body: completeMessageSchema,
    reply: settleReplySchema,
  },
  "POST /messages/{messageId}/retry": {
    params: messageParams,
    query: undefined,
    body: retryMessageSchema,
    reply: settleReplySchema,
  },
  "POST /messages/{messageId}/dead-letter": {
    params: messageParams,
    query: undefined,
    body: deadLetterMessageSchema,
    reply: settleReplySchema,
  },
  "POST /messages/{messageId}/renew": {
    params: messageParams,
    query: undefined,
    body: renewLeaseSchema,
    reply: settleReplySchema,
  },
  "POST /agents/{agentId}/messages/receive": {
    params: agentParams,
    query: undefined,
    body: receiveMessagesSchema,
    reply: receiveMessagesReplySchema,
  },
  "GET /agents/{agentId}/messages": {
    params: agentParams,
    query: peekMailboxQuerySchema,
    body: undefined,
    reply: listMessagesReplySchema,
  },
  "POST /agents/{agentId}/messages/purge": {
    params: agentParams,
    query: undefined,
    body: purgeMailboxSchema,
    reply: countReplySchema,
  },
  "GET /dead-letters": {
    params: undefined,
    query: listDeadLettersQuerySchema,
    body: undefined,
    reply: listMessagesReplySchema,
  },
  "POST /dead-letters/redrive": {
    params: undefined,
    query: undefined,
    body: selectDeadLettersSchema,
    reply: countReplySchema,
  },
  "POST /dead-letters/purge": {
    params: undefined,
    query: undefined,
    body: selectDeadLettersSchema,
    reply: countReplySchema,
  },
  "PUT /message-types/{type}": {
    params: z.strictObject({ type: customMessageTypeSchema }),
    query: undefined,
    body: putMessageTypeSchema,
    reply: messageTypeDefinitionSchema,
  },
  "GET /message-types": {
    params: undefined,
    query: listMessageTypesQuerySchema,
    body: undefined,
    reply: listMessageTypesReplySchema,
  },
  "GET /message-types/{type}": {
    params: typeParams,
    query: undefined,
    body: undefined,
    reply: messageTypeDefinitionSchema,
  },
  "DELETE /message-types/{type}": {
    params: typeParams,
    query: undefined,
    body: undefined,
    reply: deleteMessageTypeReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
