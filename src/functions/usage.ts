import { asHolder } from "../lib/http/held.ts";
import { OWN_BODY, OWN_USAGE } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { working } from "./allowed-callers.ts";
import { PAIR_USAGE } from "./examples.ts";

/** The routes of what attempts have used of models. */

export const reportUsage = defineRoute({
  key: "POST /tasks/{taskId}/usage",
  name: "reportUsage",
  summary: "Books the usage of an attempt",
  description:
    "The numbers are totals of the attempt since it began, by provider and model; what is more than before is booked, a smaller number counts as the one before, and what is left out stays. Also accepted from an attempt that was lost or has ended, until its task is archived: then it counts as cost only. `progress`, `complete`, `fail` and `suspend` take the same `usage`.",
  example: {
    body: {
      agentId: "backend-1",
      attempt: 1,
      usage: [
        { provider: "openai", model: "gpt-5", inputTokens: 12_033, outputTokens: 440, cacheReadInputTokens: 11_904 },
      ],
    },
    reply: { taskId: "build-1", attempt: 1, usage: [PAIR_USAGE] },
  },
  idle: false,
  allow: working(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body, caller }) {
    return { status: 200, body: await asHolder(caller, () => services.usage.report(params.taskId, body)) };
  },
});

export const getUsage = defineRoute({
  key: "GET /usage",
  name: "getUsage",
  summary: "Returns sums of usage",
  description:
    "Of whole hours from `from` to before `to`, by default of the last 30 days; hours are kept for 400 days. `by` says what the sums tell apart: `agent`, `taskType`, `supervisor`, `provider`, `model`, `hour` and `day` (UTC), joined by commas; without it there is one sum of all. Times whose hours have more than 500,000 rows are refused (`400`, naming `from`). A supervisor sees what the tasks have used that it assigned.",
  example: {
    reply: {
      from: "2026-03-01T00:00:00.000Z",
      to: "2026-03-03T00:00:00.000Z",
      usage: [{ day: "2026-03-01T00:00:00.000Z", ...PAIR_USAGE }],
      nextCursor: null,
    },
  },
  idle: false,
  allow: { roles: { supervisor: "own", observer: "without contents", admin: "any" }, own: OWN_USAGE },
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.usage.read(query) };
  },
});
