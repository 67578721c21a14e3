import { BY_GRANTS, OWN_BODY_BY_GRANTS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { reading, withMailbox } from "./allowed-callers.ts";
import { LEASED_MESSAGE, MESSAGE } from "./examples.ts";

export const receiveFromChannel = defineRoute({
  key: "POST /channels/{name}/messages/receive",
  name: "receiveFromChannel",
  summary: "Leases due messages from a work queue",
  description:
    "As from a mailbox, for the member that `agentId` names. That member settles them by the routes of messages.",
  example: {
    body: { agentId: "backend-1", waitSeconds: 20, claimId: "claim-2" },
    reply: { messages: [{ ...LEASED_MESSAGE, receiver: "#builds", channel: "builds", holder: "backend-1" }] },
  },
  idle: true,
  allow: withMailbox(OWN_BODY_BY_GRANTS),
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
  summary: "Lists the queued messages of a work queue without leasing them",
  description: "In delivery order, due or not.",
  example: { reply: { messages: [{ ...MESSAGE, receiver: "#builds", channel: "builds" }], nextCursor: null } },
  idle: false,
  allow: reading(BY_GRANTS),
  statuses: [200],
  async handler(services, { params, query }) {
    return { status: 200, body: await services.messages.peekChannel(params.name, query) };
  },
});

export const purgeChannel = defineRoute({
  key: "POST /channels/{name}/messages/purge",
  name: "purgeChannel",
  summary: "Ends queued messages of a work queue",
  description:
    "Up to 1,000 messages that match the filter, due or not, become `expired` with the reason `PURGED`. Messages that the switchboard wrote stay. An empty filter matches all; `dryRun` only counts.",
  example: { body: { filter: { before: "2026-02-01T00:00:00.000Z" } }, reply: { count: 12 } },
  idle: false,
  allow: withMailbox(BY_GRANTS),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.messages.purgeChannel(params.name, body) };
  },
});
