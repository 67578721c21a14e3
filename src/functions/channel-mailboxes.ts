import { receiveFromChannelSchema } from "../lib/channels/channel.ts";
import { BY_GRANTS, OWN_BODY_BY_GRANTS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import {
  countReplySchema,
  listMessagesReplySchema,
  peekMessagesQuerySchema,
  purgeMailboxSchema,
  receiveMessagesReplySchema,
} from "../lib/messages/message.ts";
import { channelParams, reading, withMailbox } from "./shapes.ts";

export const receiveFromChannel = defineRoute({
  key: "POST /channels/{name}/messages/receive",
  name: "receiveFromChannel",
  summary: "Leases due messages of a work queue for one of its members; waits up to waitSeconds for the first",
  allow: withMailbox(OWN_BODY_BY_GRANTS),
  params: channelParams,
  query: undefined,
  body: receiveFromChannelSchema,
  reply: receiveMessagesReplySchema,
  statuses: [200],
  async handler(services, input) {
    // The signal is made when it is first read, so only a receive that will wait asks for it.
    const signal = input.body.waitSeconds > 0 ? input.signal : undefined;
    return { status: 200, body: await services.messages.receiveFromChannel(input.params.name, input.body, signal) };
  },
});

export const peekChannel = defineRoute({
  key: "GET /channels/{name}/messages",
  name: "peekChannel",
  summary: "Shows what waits in a work queue, in delivery order, without leasing it",
  allow: reading(BY_GRANTS),
  params: channelParams,
  query: peekMessagesQuerySchema,
  body: undefined,
  reply: listMessagesReplySchema,
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.messages.peekChannel(params.name, query) };
  },
});

export const purgeChannel = defineRoute({
  key: "POST /channels/{name}/messages/purge",
  name: "purgeChannel",
  summary: "Ends up to 1,000 queued messages of a work queue that match, due or not",
  allow: withMailbox(BY_GRANTS),
  params: channelParams,
  query: undefined,
  body: purgeMailboxSchema,
  reply: countReplySchema,
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.messages.purgeChannel(params.name, body) };
  },
});
