import { asHolder, isKeptFrom } from "../lib/http/held.ts";
import { OWN_BODY, OWN_MESSAGE, OWN_SENDER, OWN_SENDERS, OWN_SENT_MESSAGE } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { BATCH_REQUEST_MAX_BYTES } from "../lib/limits.ts";
import {
  completeMessageSchema,
  deadLetterMessageSchema,
  messageSchema,
  renewLeaseSchema,
  retryMessageSchema,
  sendBatchReplySchema,
  sendBatchSchema,
  sendMessageReplySchema,
  sendMessageSchema,
  settleMessagesReplySchema,
  settleMessagesSchema,
  settleReplySchema,
  withdrawReplySchema,
} from "../lib/messages/message.ts";
import { messageParams, reading, sending, withMailbox } from "./shapes.ts";

export const sendMessage = defineRoute({
  key: "POST /messages",
  name: "sendMessage",
  summary: "Puts a message in an agent's mailbox, durably",
  allow: sending(OWN_SENDER),
  params: undefined,
  query: undefined,
  body: sendMessageSchema,
  reply: sendMessageReplySchema,
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
  allow: sending(OWN_SENDERS),
  params: undefined,
  query: undefined,
  body: sendBatchSchema,
  reply: sendBatchReplySchema,
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
  summary: "Settles up to 100 leased messages, each as if sent alone, in order",
  allow: withMailbox(OWN_BODY),
  params: undefined,
  query: undefined,
  body: settleMessagesSchema,
  reply: settleMessagesReplySchema,
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
  summary: "Reads one message with its status",
  allow: reading(OWN_MESSAGE),
  params: messageParams,
  query: undefined,
  body: undefined,
  reply: messageSchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messages.get(params.messageId) };
  },
});

export const withdrawMessage = defineRoute({
  key: "DELETE /messages/{messageId}",
  name: "withdrawMessage",
  summary: "Takes back a message that is still queued; of a post, every copy that is",
  allow: withMailbox(OWN_SENT_MESSAGE),
  params: messageParams,
  query: undefined,
  body: undefined,
  reply: withdrawReplySchema,
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.messages.withdraw(params.messageId) };
  },
});

export const completeMessage = defineRoute({
  key: "POST /messages/{messageId}/complete",
  name: "completeMessage",
  summary: "Completes a leased message",
  allow: withMailbox(OWN_BODY),
  params: messageParams,
  query: undefined,
  body: completeMessageSchema,
  reply: settleReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.complete(params.messageId, body)) };
  },
});

export const retryMessage = defineRoute({
  key: "POST /messages/{messageId}/retry",
  name: "retryMessage",
  summary: "Returns a leased message to be delivered again; dead-lettered when its attempts are used up",
  allow: withMailbox(OWN_BODY),
  params: messageParams,
  query: undefined,
  body: retryMessageSchema,
  reply: settleReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.retry(params.messageId, body)) };
  },
});

export const deadLetterMessage = defineRoute({
  key: "POST /messages/{messageId}/dead-letter",
  name: "deadLetterMessage",
  summary: "Puts a leased message aside for people to look at",
  allow: withMailbox(OWN_BODY),
  params: messageParams,
  query: undefined,
  body: deadLetterMessageSchema,
  reply: settleReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.deadLetter(params.messageId, body)) };
  },
});

export const renewMessageLease = defineRoute({
  key: "POST /messages/{messageId}/renew",
  name: "renewMessageLease",
  summary: "Moves the end of a lease to now + leaseSeconds",
  allow: withMailbox(OWN_BODY),
  params: messageParams,
  query: undefined,
  body: renewLeaseSchema,
  reply: settleReplySchema,
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.messages.renew(params.messageId, body)) };
  },
});
