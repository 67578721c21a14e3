import { defineRoute } from "../lib/http/route.ts";
import { prometheusContentType, prometheusText } from "../lib/statistics/prometheus.ts";
import {
  coordinationStatisticsSchema,
  metricsSchema,
  queueStatisticsSchema,
  registryStatisticsSchema,
} from "../lib/statistics/statistics.ts";
import { READERS } from "./shapes.ts";

export const queueStatistics = defineRoute({
  key: "GET /stats/queue",
  name: "queueStatistics",
  summary: "Counts of messages, their rate and the age of the oldest waiting one",
  allow: READERS,
  params: undefined,
  query: undefined,
  body: undefined,
  reply: queueStatisticsSchema,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.messages.statistics() };
  },
});

export const registryStatistics = defineRoute({
  key: "GET /stats/registry",
  name: "registryStatistics",
  summary: "Counts of agents and the mean load of active workers",
  allow: READERS,
  params: undefined,
  query: undefined,
  body: undefined,
  reply: registryStatisticsSchema,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.registry.statistics() };
  },
});

export const coordinationStatistics = defineRoute({
  key: "GET /stats/coordination",
  name: "coordinationStatistics",
  summary: "Counts of tasks by status and outcome",
  allow: READERS,
  params: undefined,
  query: undefined,
  body: undefined,
  reply: coordinationStatisticsSchema,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.coordinator.statistics() };
  },
});

export const metrics = defineRoute({
  key: "GET /metrics",
  name: "metrics",
  summary: "All statistics as JSON, or as Prometheus text when Accept names text/plain or openmetrics",
  allow: READERS,
  params: undefined,
  query: undefined,
  body: undefined,
  reply: metricsSchema,
  statuses: [200],
  async handler(services, { header }) {
    const contentType = prometheusContentType(header("accept"));
    const body = await services.monitor.metrics();
    if (contentType === undefined) return { status: 200, body };
    return { status: 200, text: prometheusText(body, contentType), contentType };
  },
});
