import { OWN_PATH } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { reading, withMailbox } from "./allowed-callers.ts";
import { LEASED_MESSAGE, MESSAGE } from "./examples.ts";

export const receiveMessages = defineRoute({
  key: "POST /agents/{agentId}/messages/receive",
  name: "receiveMessages",
  summary: "Leases due messages from a mailbox",
  description:
    "Waits up to `waitSeconds` for the first message. Each message is leased for `leaseSeconds` and carries `attempt`, which settling it has to name. A message whose lease ends is delivered again.",
  example: { body: { maxMessages: 10, waitSeconds: 20, claimId: "claim-1" }, reply: { messages: [LEASED_MESSAGE] } },
  idle: true,
  allow: withMailbox(OWN_PATH),
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
  summary: "Lists the queued messages of a mailbox without leasing them",
  description:
    "In delivery order, due or not. With `waitSeconds` the call waits until something can be received, or the time is over. It is no sign of life, so a program may watch the mailbox of an agent that sleeps.",
  example: { reply: { messages: [MESSAGE], nextCursor: null } },
  idle: false,
  allow: reading(OWN_PATH),
  statuses: [200],
  async handler(services, input) {
    // The signal is made when it is first read, so only a call that will wait asks for it.
    const signal = input.query.waitSeconds > 0 ? input.signal : undefined;
    return { status: 200, body: await services.messages.peek(input.params.agentId, input.query, signal) };
  },
});

export const purgeMailbox = defineRoute({
  key: "POST /agents/{agentId}/messages/purge",
  name: "purgeMailbox",
  summary: "Ends queued messages of a mailbox",
  description:
    "Up to 1,000 messages that match the filter, due or not, become `expired` with the reason `PURGED`. Messages that the switchboard wrote stay. An empty filter matches all; `dryRun` only counts.",
  example: { body: { filter: { type: "notification" }, dryRun: true }, reply: { count: 12 } },
  idle: false,
  allow: withMailbox(OWN_PATH),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.messages.purge(params.agentId, body) };
  },
});
