import { defineRoute } from "../lib/http/route.ts";
import {
  countReplySchema,
  listDeadLettersQuerySchema,
  listMessagesReplySchema,
  selectDeadLettersSchema,
} from "../lib/messages/message.ts";
import { ADMIN_ONLY } from "./shapes.ts";

export const listDeadLetters = defineRoute({
  key: "GET /dead-letters",
  name: "listDeadLetters",
  summary: "Lists dead letters, the latest first",
  allow: { roles: { observer: "without contents", admin: "any" } },
  params: undefined,
  query: listDeadLettersQuerySchema,
  body: undefined,
  reply: listMessagesReplySchema,
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.deadLetters.list(query) };
  },
});

export const redriveDeadLetters = defineRoute({
  key: "POST /dead-letters/redrive",
  name: "redriveDeadLetters",
  summary: "Queues up to 1,000 dead letters again, the oldest first",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: selectDeadLettersSchema,
  reply: countReplySchema,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.deadLetters.redrive(body) };
  },
});

export const purgeDeadLetters = defineRoute({
  key: "POST /dead-letters/purge",
  name: "purgeDeadLetters",
  summary: "Deletes up to 1,000 dead letters, the oldest first",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: selectDeadLettersSchema,
  reply: countReplySchema,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.deadLetters.purge(body) };
  },
});
