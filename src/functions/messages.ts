import { asHolder, isKeptFrom } from "../lib/http/held.ts";
import { OWN_BODY, OWN_MESSAGE, OWN_SENDER, OWN_SENDERS, OWN_SENT_MESSAGE } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { BATCH_REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { reading, sending, withMailbox } from "./allowed-callers.ts";
import { MESSAGE, SENT_MESSAGE } from "./examples.ts";

export const sendMessage = defineRoute({
  key: "POST /messages",
  name: "sendMessage",
  summary: "Sends a message to an agent or a channel",
  description:
    "A message that was answered 2xx is durable. It is delivered at least once. `receiver` is an agent, or `#` and the name of a channel.",
  example: { body: SENT_MESSAGE, reply: { messageId: MESSAGE.messageId, duplicate: false } },
  idle: false,
  allow: sending(OWN_SENDER),
  statuses: [202],
  async handler(services, { body, header }) {
    const reply = await services.messages.send(body, { idempotencyKey: header("idempotency-key") });
    return { status: 202, body: reply };
  },
});

export const sendBatch = defineRoute({
  key: "POST /messages/batch",
  name: "sendBatch",
  summary: "Sends up to 100 messages, all or none",
  description: "Each message is as in a single send. Posts to broadcast channels are refused.",
  example: {
    body: { messages: [SENT_MESSAGE] },
    reply: { results: [{ messageId: MESSAGE.messageId, duplicate: false }] },
  },
  idle: false,
  allow: sending(OWN_SENDERS),
  statuses: [202],
  maxBodyBytes: BATCH_REQUEST_MAX_BYTES,
  async handler(services, { body, header }) {
    const reply = await services.messages.sendBatch(body, { idempotencyKey: header("idempotency-key") });
    return { status: 202, body: reply };
  },
});

export const settleMessages = defineRoute({
  key: "POST /messages/settle",
  name: "settleMessages",
  summary: "Settles up to 100 leased messages",
  description: "In order, each as if it was settled alone: one that cannot be settled stops none of the others.",
  example: {
    body: { agentId: "backend-1", settlements: [{ messageId: MESSAGE.messageId, attempt: 1, outcome: "complete" }] },
    reply: { results: [{ messageId: MESSAGE.messageId, status: "completed" }] },
  },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  maxBodyBytes: BATCH_REQUEST_MAX_BYTES,
  async handler(services, { body, caller }) {
    const { results } = await services.messages.settle(body);
    if (!isKeptFrom(caller)) return { status: 200, body: { results } };
    // As asHolder has it.
    const shown = results.map((result) =>
      result.status === "not_found" ? { ...result, status: "lease_lost" as const } : result,
    );
    return { status: 200, body: { results: shown } };
  },
});

export const getMessage = defineRoute({
  key: "GET /messages/{messageId}",
  name: "getMessage",
  summary: "Reads a message",
  description: "With its status and, once it has ended, when and why.",
  example: { reply: MESSAGE },
  idle: false,
  allow: reading(OWN_MESSAGE),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messages.get(params.messageId) };
  },
});

export const withdrawMessage = defineRoute({
  key: "DELETE /messages/{messageId}",
  name: "withdrawMessage",
  summary: "Withdraws a message that is still queued",
  description:
    "It becomes `expired` with the reason `WITHDRAWN`. Of a post to a broadcast channel, every copy that is still queued is withdrawn. A message that is leased or settled is `409 LEASE_LOST`.",
  example: { reply: { messageId: MESSAGE.messageId, status: "expired", withdrawn: 1 } },
  idle: false,
  allow: withMailbox(OWN_SENT_MESSAGE),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messages.withdraw(params.messageId) };
  },
});

export const completeMessage = defineRoute({
  key: "POST /messages/{messageId}/complete",
  name: "completeMessage",
  summary: "Completes a leased message",
  description:
    "Names the agent that holds the lease and the attempt. Any other agent or attempt is `409 LEASE_LOST` and changes nothing.",
  example: { body: { agentId: "backend-1", attempt: 1 }, reply: { messageId: MESSAGE.messageId, status: "completed" } },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.complete(params.messageId, body)) };
  },
});

export const retryMessage = defineRoute({
  key: "POST /messages/{messageId}/retry",
  name: "retryMessage",
  summary: "Returns a leased message for another delivery",
  description: "At once or after `delaySeconds`. A message that has used up its attempts goes to the dead letters.",
  example: {
    body: { agentId: "backend-1", attempt: 1, delaySeconds: 30, reason: "The database is locked" },
    reply: { messageId: MESSAGE.messageId, status: "queued" },
  },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.retry(params.messageId, body)) };
  },
});

export const deadLetterMessage = defineRoute({
  key: "POST /messages/{messageId}/dead-letter",
  name: "deadLetterMessage",
  summary: "Moves a leased message to the dead letters",
  description: "It is not delivered again until an admin redrives it.",
  example: {
    body: { agentId: "backend-1", attempt: 1, reason: "The payload has no question" },
    reply: { messageId: MESSAGE.messageId, status: "dead_lettered" },
  },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.deadLetter(params.messageId, body)) };
  },
});

export const renewMessageLease = defineRoute({
  key: "POST /messages/{messageId}/renew",
  name: "renewMessageLease",
  summary: "Renews the lease of a message",
  description: "The lease then ends `leaseSeconds` from now.",
  example: {
    body: { agentId: "backend-1", attempt: 1, leaseSeconds: 60 },
    reply: { messageId: MESSAGE.messageId, status: "leased", leaseExpiresAt: "2026-03-01T09:01:30.000Z" },
  },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.renew(params.messageId, body)) };
  },
});
