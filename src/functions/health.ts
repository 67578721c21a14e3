import { defineRoute } from "../lib/http/route.ts";

export const health = defineRoute({
  key: "GET /health",
  name: "health",
  summary: "Reports whether the store answers",
  description: "`200` when it does, otherwise `503` with the same body.",
  example: {
    reply: {
      status: "healthy",
      checks: {
        databaseConnection: true,
        messageQueueOperational: true,
        agentRegistryAccessible: true,
        recentActivity: true,
      },
    },
  },
  idle: true,
  allow: "anyone",
  statuses: [200],
  async handler(services) {
    const body = await services.monitor.health();
    return { status: body.status === "healthy" ? 200 : 503, body };
  },
});

export const healthLive = defineRoute({
  key: "GET /health/live",
  name: "healthLive",
  summary: "Reports whether the process answers",
  description: "Does not ask the store.",
  example: { reply: { status: "healthy", checks: {} } },
  idle: true,
  allow: "anyone",
  statuses: [200],
  async handler() {
    return { status: 200, body: { status: "healthy" as const, checks: {} } };
  },
});
