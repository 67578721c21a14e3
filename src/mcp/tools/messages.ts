import { z } from "zod";
import { peekMessages, receiveMessages } from "../../functions/mailboxes.ts";
import { getMessage, sendMessage, settleMessages } from "../../functions/messages.ts";
import {
  listMessagesReplySchema,
  type Message,
  messageSchema,
  receiveMessagesReplySchema,
  receiveMessagesSchema,
  sendMessageReplySchema,
  sendMessageSchema,
  settleMessagesReplySchema,
  settlementSchema,
} from "../../lib/model/message.ts";
import { idSchema } from "../../lib/model/values.ts";
import { showMessage, showMessages } from "../shown.ts";
import { type Call, defineTool, queryOf, type Show } from "../tool.ts";
import { visible } from "../untrusted.ts";
import { pageOf } from "./page.ts";

/** Writing and reading messages. */

/** A session may need long for a message; who does not settle it in time gets it again. */
const LEASE_SECONDS = 1_800;
/** One for all receives of an agent: what it holds unsettled comes first, so an answer that was lost loses nothing. */
const CLAIM_ID = "mcp";
/** Of a payload's text, in one reply. */
const PIECE_CHARACTERS = 12_000;

const sent = sendMessageSchema.shape;

export const sendAMessage = defineTool({
  name: "send_message",
  title: "Send a message",
  description:
    "Sends a message to an agent, or to a channel (# and its name). It is kept until the receiver has settled it. To hand out work use assign_task instead.",
  annotations: { destructiveHint: false },
  route: sendMessage,
  input: z.strictObject({
    receiver: sent.receiver,
    type: sent.type.default("notification").describe("query, response, notification …, or one of your fleet's own"),
    payload: sent.payload.describe("Any JSON"),
    priority: sent.priority,
    correlationId: sent.correlationId.describe("The same in all messages of one conversation"),
    replyTo: sent.replyTo.describe("messageId of the message that this one answers"),
    orderingKey: sent.orderingKey,
    delaySeconds: sent.delaySeconds,
    ttlSeconds: sent.ttlSeconds.describe("After so long it is not delivered any more"),
    sensitive: sent.sensitive,
  }),
  async run(call, input, me) {
    const reply = sendMessageReplySchema.parse(await call(sendMessage, { body: { ...input, sender: me.agentId } }));
    return () => reply;
  },
});

const received = receiveMessagesSchema.shape;

export const receive = defineTool({
  name: "receive_messages",
  title: "Receive messages",
  description:
    "Takes due messages from your mailbox, waiting up to waitSeconds for the first. What you have taken before and not settled comes first. Each is yours for 30 minutes; settle it with its attempt when you have dealt with it. A task_assignment tells of a task that is yours.",
  annotations: { destructiveHint: false },
  route: receiveMessages,
  input: z.strictObject({
    maxMessages: z.int().min(1).max(10).default(5),
    waitSeconds: received.waitSeconds,
    types: received.types,
  }),
  async run(call, input, me) {
    const params = { agentId: me.agentId };
    const body = { ...input, leaseSeconds: LEASE_SECONDS, claimId: CLAIM_ID };
    const { messages } = receiveMessagesReplySchema.parse(await call(receiveMessages, { params, body }));
    return (maxBytes) => ({ messages: messages.map((message) => showMessage(message, maxBytes)) });
  },
});

export const settle = defineTool({
  name: "settle_messages",
  title: "Settle messages",
  description:
    "Ends messages that you have received: complete when dealt with, retry to get one again later, dead_letter when it can never be dealt with. lease_lost: it is no longer yours.",
  annotations: { destructiveHint: false, idempotentHint: true },
  route: settleMessages,
  input: z.strictObject({ settlements: z.array(settlementSchema).min(1).max(100) }),
  async run(call, input, me) {
    const body = { ...input, agentId: me.agentId };
    const reply = settleMessagesReplySchema.parse(await call(settleMessages, { body }));
    return () => reply;
  },
});

/** A message with a piece of the text of its payload. */
function piece(message: Message, from: number): Show {
  const { payload } = message;
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  const end = Math.min(text.length, from + PIECE_CHARACTERS);
  const rest = { fromCharacter: from, characters: text.length, nextFrom: end < text.length ? end : null };
  return (maxBytes) => ({
    ...showMessage({ ...message, payload: null }, maxBytes),
    ...rest,
    untrusted: { from: message.sender, role: message.senderRole, payloadText: visible(text.slice(from, end)) },
  });
}

async function peek(call: Call, agentId: string, page: { limit: number; cursor?: string | undefined }): Promise<Show> {
  const reply = listMessagesReplySchema.parse(await call(peekMessages, { params: { agentId }, query: queryOf(page) }));
  return (maxBytes) => showMessages(reply, maxBytes);
}

export const read = defineTool({
  name: "read_messages",
  title: "Read messages",
  description:
    "With messageId: reads a message that you have sent or received, its payload as text from the character fromCharacter on (for payloads that came with truncated: true). Without: shows what waits in your mailbox, without taking it.",
  annotations: { readOnlyHint: true },
  route: getMessage,
  input: z.strictObject({
    messageId: idSchema.optional(),
    fromCharacter: z.int().min(0).default(0).describe("nextFrom of the piece before"),
    ...pageOf(20, 10),
  }),
  async run(call, { messageId, fromCharacter, limit, cursor }, me) {
    if (messageId === undefined) return peek(call, me.agentId, { limit, cursor });
    return piece(messageSchema.parse(await call(getMessage, { params: { messageId } })), fromCharacter);
  },
});
