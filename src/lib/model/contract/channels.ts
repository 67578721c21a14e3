import { z } from "zod";
import {
  channelDetailsSchema,
  channelMemberSchema,
  createChannelSchema,
  deleteChannelReplySchema,
  listChannelMembersQuerySchema,
  listChannelMembersReplySchema,
  listChannelsQuerySchema,
  listChannelsReplySchema,
  putChannelGrantSchema,
  receiveFromChannelSchema,
  removeChannelMemberReplySchema,
} from "../channel.ts";
import {
  countReplySchema,
  listMessagesReplySchema,
  peekMessagesQuerySchema,
  purgeMailboxSchema,
  receiveMessagesReplySchema,
} from "../message.ts";
import { channelNameSchema, idSchema } from "../values.ts";
import type { OperationShape } from "./operation-shape.ts";

/** The shapes of the operations of channels. */

const memberParams = z.strictObject({ name: channelNameSchema, agentId: idSchema });
const channelParams = z.strictObject({ name: channelNameSchema });

export const CHANNELS = {
  "POST /channels": { params: undefined, query: undefined, body: createChannelSchema, reply: channelDetailsSchema },
  "GET /channels": {
    params: undefined,
    query: listChannelsQuerySchema,
    body: undefined,
    reply: listChannelsReplySchema,
  },
  "GET /channels/{name}": { params: channelParams, query: undefined, body: undefined, reply: channelDetailsSchema },
  "DELETE /channels/{name}": {
    params: channelParams,
    query: undefined,
    body: undefined,
    reply: deleteChannelReplySchema,
  },
  "GET /channels/{name}/members": {
    params: channelParams,
    query: listChannelMembersQuerySchema,
    body: undefined,
    reply: listChannelMembersReplySchema,
  },
  "PUT /channels/{name}/members/{agentId}": {
    params: memberParams,
    query: undefined,
    body: undefined,
    reply: channelMemberSchema,
  },
  "DELETE /channels/{name}/members/{agentId}": {
    params: memberParams,
    query: undefined,
    body: undefined,
    reply: removeChannelMemberReplySchema,
  },
  "PUT /channels/{name}/grants": {
    params: channelParams,
    query: undefined,
    body: putChannelGrantSchema,
    reply: channelDetailsSchema,
  },
  "POST /channels/{name}/messages/receive": {
    params: channelParams,
    query: undefined,
    body: receiveFromChannelSchema,
    reply: receiveMessagesReplySchema,
  },
  "GET /channels/{name}/messages": {
    params: channelParams,
    query: peekMessagesQuerySchema,
    body: undefined,
    reply: listMessagesReplySchema,
  },
  "POST /channels/{name}/messages/purge": {
    params: channelParams,
    query: undefined,
    body: purgeMailboxSchema,
    reply: countReplySchema,
  },
} as const satisfies Readonly<Record<string, OperationShape>>;
