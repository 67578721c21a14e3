import { BY_GRANTS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { EVERYBODY_WITHOUT_CONTENTS, MAKERS, reading, withMailbox } from "./allowed-callers.ts";
import { CHANNEL, CHANNEL_DETAILS } from "./examples.ts";

export const createChannel = defineRoute({
  key: "POST /channels",
  name: "createChannel",
  summary: "Creates a channel with its members and grants",
  description:
    "The caller gets every right on it. The same channel again, by the same caller, returns the existing one; another under its name is `409 ID_TAKEN`.",
  example: {
    body: { name: "builds", kind: "work_queue", members: ["backend-1"], grants: [{ role: "supervisor", post: true }] },
    reply: CHANNEL_DETAILS,
  },
  idle: false,
  allow: MAKERS,
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
  summary: "Lists the channels that the caller may read, ordered by name",
  description: "Without their grants.",
  example: { reply: { channels: [CHANNEL], nextCursor: null } },
  idle: false,
  allow: EVERYBODY_WITHOUT_CONTENTS,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.channels.list(query) };
  },
});

export const getChannel = defineRoute({
  key: "GET /channels/{name}",
  name: "getChannel",
  summary: "Reads a channel with its grants",
  description: "Grants of roles come first, then those of agents, ordered by id.",
  example: { reply: CHANNEL_DETAILS },
  idle: false,
  allow: reading(BY_GRANTS),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.channels.get(params.name) };
  },
});

export const deleteChannel = defineRoute({
  key: "DELETE /channels/{name}",
  name: "deleteChannel",
  summary: "Deletes a channel",
  description:
    "Its members and grants go at once. The next sweep moves the messages of a work queue to the dead letters. Copies of posts stay in the mailboxes of their receivers.",
  example: { reply: { name: "builds" } },
  idle: false,
  allow: withMailbox(BY_GRANTS),
  statuses: [200],
  async handler(services, { params }) {
    await services.channels.delete(params.name);
    return { status: 200, body: { name: params.name } };
  },
});

export const listChannelMembers = defineRoute({
  key: "GET /channels/{name}/members",
  name: "listChannelMembers",
  summary: "Lists the members of a channel, ordered by agent id",
  description: "Deregistered agents stay members.",
  example: { reply: { members: [{ agentId: "backend-1", addedAt: CHANNEL.createdAt }], nextCursor: null } },
  idle: false,
  allow: reading(BY_GRANTS),
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.channels.members(params.name, query) };
  },
});

export const addChannelMember = defineRoute({
  key: "PUT /channels/{name}/members/{agentId}",
  name: "addChannelMember",
  summary: "Adds an agent to a channel",
  description: "Changes nothing if the agent is already a member.",
  example: { reply: { agentId: "backend-1", addedAt: CHANNEL.createdAt } },
  idle: false,
  allow: withMailbox(BY_GRANTS),
  statuses: [200],
  namesOthers: true,
  async handler(services, { params }) {
    return { status: 200, body: await services.channels.addMember(params.name, params.agentId) };
  },
});

export const removeChannelMember = defineRoute({
  key: "DELETE /channels/{name}/members/{agentId}",
  name: "removeChannelMember",
  summary: "Removes an agent from a channel",
  description:
    "Messages that it has leased stay leased until the lease ends. Changes nothing if the agent is not a member.",
  example: { reply: { name: "builds", agentId: "backend-1" } },
  idle: false,
  allow: withMailbox(BY_GRANTS),
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
  summary: "Sets the rights of an agent or a role on a channel",
  description: "Replaces the grant of that agent or role. A grant without a right is removed.",
  example: { body: { role: "supervisor", post: true }, reply: CHANNEL_DETAILS },
  idle: false,
  allow: withMailbox(BY_GRANTS),
  statuses: [200],
  namesOthers: true,
  async handler(services, { params, body }) {
    return { status: 200, body: await services.channels.putGrant(params.name, body) };
  },
});
