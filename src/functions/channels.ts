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
  removeChannelMemberReplySchema,
} from "../lib/channels/channel.ts";
import { BY_GRANTS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { channelNameSchema, idSchema } from "../lib/values.ts";
import { channelParams, EVERYBODY_WITHOUT_CONTENTS, MAKERS, reading, withMailbox } from "./shapes.ts";

const memberParams = z.strictObject({ name: channelNameSchema, agentId: idSchema });

export const createChannel = defineRoute({
  key: "POST /channels",
  name: "createChannel",
  summary: "Makes a channel with its members and grants; the creator gets every right",
  allow: MAKERS,
  params: undefined,
  query: undefined,
  body: createChannelSchema,
  reply: channelDetailsSchema,
  statuses: [200, 201],
  namesOthers: true,
  async handler(services, { body }) {
    const { channel, created } = await services.channels.create(body);
    return { status: created ? 201 : 200, body: channel };
  },
});

export const listChannels = defineRoute({
  key: "GET /channels",
  name: "listChannels",
  summary: "Lists by name the channels that the caller may read",
  allow: EVERYBODY_WITHOUT_CONTENTS,
  params: undefined,
  query: listChannelsQuerySchema,
  body: undefined,
  reply: listChannelsReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.channels.list(query) };
  },
});

export const getChannel = defineRoute({
  key: "GET /channels/{name}",
  name: "getChannel",
  summary: "Reads one channel with its grants",
  allow: reading(BY_GRANTS),
  params: channelParams,
  query: undefined,
  body: undefined,
  reply: channelDetailsSchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.channels.get(params.name) };
  },
});

export const deleteChannel = defineRoute({
  key: "DELETE /channels/{name}",
  name: "deleteChannel",
  summary: "Deletes a channel; what waits in a work queue becomes dead letters",
  allow: withMailbox(BY_GRANTS),
  params: channelParams,
  query: undefined,
  body: undefined,
  reply: deleteChannelReplySchema,
  statuses: [200],
  async handler(services, { params }) {
    await services.channels.delete(params.name);
    return { status: 200, body: { name: params.name } };
  },
});

export const listChannelMembers = defineRoute({
  key: "GET /channels/{name}/members",
  name: "listChannelMembers",
  summary: "Lists the members of a channel by id",
  allow: reading(BY_GRANTS),
  params: channelParams,
  query: listChannelMembersQuerySchema,
  body: undefined,
  reply: listChannelMembersReplySchema,
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.channels.members(params.name, query) };
  },
});

export const addChannelMember = defineRoute({
  key: "PUT /channels/{name}/members/{agentId}",
  name: "addChannelMember",
  summary: "Makes an agent a member, if it is none yet",
  allow: withMailbox(BY_GRANTS),
  params: memberParams,
  query: undefined,
  body: undefined,
  reply: channelMemberSchema,
  statuses: [200],
  namesOthers: true,
  async handler(services, { params }) {
    return { status: 200, body: await services.channels.addMember(params.name, params.agentId) };
  },
});

export const removeChannelMember = defineRoute({
  key: "DELETE /channels/{name}/members/{agentId}",
  name: "removeChannelMember",
  summary: "Takes an agent out of a channel; what it has leased stays leased until the lease ends",
  allow: withMailbox(BY_GRANTS),
  params: memberParams,
  query: undefined,
  body: undefined,
  reply: removeChannelMemberReplySchema,
  statuses: [200],
  namesOthers: true,
  async handler(services, { params }) {
    await services.channels.removeMember(params.name, params.agentId);
    return { status: 200, body: params };
  },
});

export const putChannelGrant = defineRoute({
  key: "PUT /channels/{name}/grants",
  name: "putChannelGrant",
  summary: "Says what an agent, or every agent of a role, may do with a channel; nothing at all takes its grant away",
  allow: withMailbox(BY_GRANTS),
  params: channelParams,
  query: undefined,
  body: putChannelGrantSchema,
  reply: channelDetailsSchema,
  statuses: [200],
  namesOthers: true,
  async handler(services, { params, body }) {
    return { status: 200, body: await services.channels.putGrant(params.name, body) };
  },
});
