import { z } from "zod";
import { defineRoute } from "../lib/http/route.ts";
import { healthSchema } from "../lib/statistics/statistics.ts";

/** The process answers; nothing else was asked. */
const livenessSchema = z.object({ status: z.literal("healthy"), checks: z.object({}) });

export const health = defineRoute({
  key: "GET /health",
  name: "health",
  summary: "Whether the store answers: 200 healthy, 503 unhealthy",
  allow: "anyone",
  params: undefined,
  query: undefined,
  body: undefined,
  reply: healthSchema,
  statuses: [200],
  async handler(services) {
    const body = await services.monitor.health();
    return { status: body.status === "healthy" ? 200 : 503, body };
  },
});

export const healthLive = defineRoute({
  key: "GET /health/live",
  name: "healthLive",
  summary: "Whether the process answers at all; asks nothing of the store",
  allow: "anyone",
  params: undefined,
  query: undefined,
  body: undefined,
  reply: livenessSchema,
  statuses: [200],
  async handler() {
    return { status: 200, body: { status: "healthy" as const, checks: {} } };
  },
});
