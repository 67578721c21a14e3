import { OWN_PATH } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import {
  countReplySchema,
  listMessagesReplySchema,
  peekMessagesQuerySchema,
  purgeMailboxSchema,
  receiveMessagesReplySchema,
  receiveMessagesSchema,
} from "../lib/messages/message.ts";
import { agentParams, reading, withMailbox } from "./shapes.ts";

export const receiveMessages = defineRoute({
  key: "POST /agents/{agentId}/messages/receive",
  name: "receiveMessages",
  summary: "Leases due messages of a mailbox; waits up to waitSeconds for the first",
  allow: withMailbox(OWN_PATH),
  params: agentParams,
  query: undefined,
  body: receiveMessagesSchema,
  reply: receiveMessagesReplySchema,
  statuses: [200],
  async handler(services, input) {
    // The signal is made when it is first read, so only a receive that will wait asks for it.
    const signal = input.body.waitSeconds > 0 ? input.signal : undefined;
    return { status: 200, body: await services.messages.receive(input.params.agentId, input.body, signal) };
  },
});

export const peekMessages = defineRoute({
  key: "GET /agents/{agentId}/messages",
  name: "peekMessages",
  summary: "Shows what waits in a mailbox, in delivery order, without leasing it",
  allow: reading(OWN_PATH),
  params: agentParams,
  query: peekMessagesQuerySchema,
  body: undefined,
  reply: listMessagesReplySchema,
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.messages.peek(params.agentId, query) };
  },
});

export const purgeMailbox = defineRoute({
  key: "POST /agents/{agentId}/messages/purge",
  name: "purgeMailbox",
  summary: "Ends up to 1,000 queued messages of a mailbox that match, due or not",
  allow: withMailbox(OWN_PATH),
  params: agentParams,
  query: undefined,
  body: purgeMailboxSchema,
  reply: countReplySchema,
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.messages.purge(params.agentId, body) };
  },
});
