import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY } from "./allowed-callers.ts";

export const runMaintenance = defineRoute({
  key: "POST /maintenance",
  name: "runMaintenance",
  summary: "Runs the daily maintenance now",
  description: "Takes at most 60 s. `finished` is false when that was not enough; the next run continues.",
  example: {
    body: {},
    reply: {
      messagesPurged: 120,
      deadLettersPurged: 0,
      agentsDeregistered: 0,
      agentsDeleted: 0,
      tasksArchived: 14,
      credentialsDeleted: 0,
      agentsRefreshed: 6,
      usageHoursDropped: 0,
      auditEntriesDropped: 0,
      valuesReencrypted: 0,
      finished: true,
      durationSeconds: 0.4,
    },
  },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services) {
    return { status: 200, body: await services.monitor.cleanupAndMaintenance() };
  },
});
