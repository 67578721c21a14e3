import { z } from "zod";
import { listDeadLetters, redriveDeadLetters } from "../../functions/dead-letters.ts";
import {
  countReplySchema,
  deadLetterFilterSchema,
  listDeadLettersQuerySchema,
  listMessagesReplySchema,
} from "../../lib/model/message.ts";
import { idSchema } from "../../lib/model/values.ts";
import { showMessages } from "../shown.ts";
import { defineTool, queryOf } from "../tool.ts";
import { pageOf } from "./page.ts";

/** What could not be delivered. */

const { receiver, type, reason } = listDeadLettersQuerySchema.shape;

export const list = defineTool({
  name: "list_dead_letters",
  title: "List dead letters",
  description: "Lists messages that could not be delivered or dealt with, newest first, each with its reason.",
  annotations: { readOnlyHint: true },
  route: listDeadLetters,
  input: z.strictObject({ receiver, type, reason, ...pageOf(20, 10) }),
  async run(call, input) {
    const reply = listMessagesReplySchema.parse(await call(listDeadLetters, { query: queryOf(input) }));
    return (maxBytes) => showMessages(reply, maxBytes);
  },
});

export const redrive = defineTool({
  name: "redrive_dead_letters",
  title: "Redrive dead letters",
  description:
    "Queues dead letters again, oldest first, at most 1,000: those in messageIds, or all that match filter. Look at them first, and try dryRun, which only counts.",
  annotations: { destructiveHint: true },
  route: redriveDeadLetters,
  input: z.strictObject({
    messageIds: z.array(idSchema).min(1).max(1_000).optional(),
    filter: deadLetterFilterSchema.optional(),
    dryRun: z.boolean().default(false),
  }),
  async run(call, input) {
    const reply = countReplySchema.parse(await call(redriveDeadLetters, { body: input }));
    return () => reply;
  },
});
