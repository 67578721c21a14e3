import { defineRoute } from "../lib/http/route.ts";
import { maintenanceReportSchema } from "../lib/statistics/statistics.ts";
import { ADMIN_ONLY, emptyBody } from "./shapes.ts";

export const runMaintenance = defineRoute({
  key: "POST /maintenance",
  name: "runMaintenance",
  summary: "Does the daily upkeep now, for at most 60 s, and answers what it did",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: emptyBody,
  reply: maintenanceReportSchema,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.monitor.cleanupAndMaintenance() };
  },
});
