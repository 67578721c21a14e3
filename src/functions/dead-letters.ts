import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY } from "./allowed-callers.ts";
import { MESSAGE } from "./examples.ts";

export const listDeadLetters = defineRoute({
  key: "GET /dead-letters",
  name: "listDeadLetters",
  summary: "Lists dead letters, newest first",
  description: "Each has its `reason`.",
  example: {
    reply: {
      messages: [
        {
          ...MESSAGE,
          status: "dead_lettered",
          attempt: 5,
          endedAt: "2026-03-01T09:10:00.000Z",
          reason: "MAX_ATTEMPTS",
        },
      ],
      nextCursor: null,
    },
  },
  idle: false,
  allow: { roles: { observer: "without contents", admin: "any" } },
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.deadLetters.list(query) };
  },
});

export const redriveDeadLetters = defineRoute({
  key: "POST /dead-letters/redrive",
  name: "redriveDeadLetters",
  summary: "Queues dead letters again, oldest first",
  description:
    "Up to 1,000, named by `messageIds` or matched by `filter`. They keep `attempt`, get their maximum of attempts again and lose their time to live. Those whose receiver is deregistered or has a full mailbox stay. `dryRun` only counts.",
  example: { body: { filter: { receiver: "backend-1", reason: "MAX_ATTEMPTS" } }, reply: { count: 3 } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.deadLetters.redrive(body) };
  },
});

export const purgeDeadLetters = defineRoute({
  key: "POST /dead-letters/purge",
  name: "purgeDeadLetters",
  summary: "Deletes dead letters, oldest first",
  description: "Up to 1,000, named by `messageIds` or matched by `filter`. `dryRun` only counts.",
  example: { body: { messageIds: [MESSAGE.messageId] }, reply: { count: 1 } },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.deadLetters.purge(body) };
  },
});
