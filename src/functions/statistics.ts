import { prometheusContentType, prometheusText } from "../lib/domain/statistics/prometheus.ts";
import { defineRoute } from "../lib/http/route.ts";
import { READERS } from "./allowed-callers.ts";
import { COORDINATION_STATISTICS, QUEUE_STATISTICS, REGISTRY_STATISTICS } from "./examples.ts";

export const queueStatistics = defineRoute({
  key: "GET /stats/queue",
  name: "queueStatistics",
  summary: "Returns the statistics of messages",
  description: "Counts by status, the rate of the last minute and the age of the oldest waiting message.",
  example: { reply: QUEUE_STATISTICS },
  idle: true,
  allow: READERS,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.messages.statistics() };
  },
});

export const registryStatistics = defineRoute({
  key: "GET /stats/registry",
  name: "registryStatistics",
  summary: "Returns the statistics of agents",
  description: "Counts by role and the mean load of active workers.",
  example: { reply: REGISTRY_STATISTICS },
  idle: true,
  allow: READERS,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.registry.statistics() };
  },
});

export const coordinationStatistics = defineRoute({
  key: "GET /stats/coordination",
  name: "coordinationStatistics",
  summary: "Returns the statistics of tasks",
  description: "Counts by status and by outcome.",
  example: { reply: COORDINATION_STATISTICS },
  idle: true,
  allow: READERS,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.coordinator.statistics() };
  },
});

export const metrics = defineRoute({
  key: "GET /metrics",
  name: "metrics",
  summary: "Returns all statistics",
  description: "As JSON, or as Prometheus text when `Accept` names `text/plain` or `application/openmetrics-text`.",
  example: {
    reply: {
      queue: QUEUE_STATISTICS,
      registry: REGISTRY_STATISTICS,
      coordination: COORDINATION_STATISTICS,
      performance: { messageThroughput: 12, agentUtilization: 0.25, taskCompletionRate: 0.95, errorRate: 0.05 },
    },
  },
  idle: true,
  allow: READERS,
  statuses: [200],
  async handler(services, { header }) {
    const contentType = prometheusContentType(header("accept"));
    const body = await services.monitor.metrics();
    if (contentType === undefined) return { status: 200, body };
    return { status: 200, text: prometheusText(body, contentType), contentType };
  },
});
