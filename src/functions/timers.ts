import type { Timer } from "../lib/http/route.ts";

/** Exactly two timers, declared as the routes are: once, for both hosts. Whatever else is periodic runs inside them. */
export const timers: readonly Timer[] = [
  {
    name: "sweep",
    schedule: (config) => config.sweepSchedule,
    async handler(services) {
      return services.monitor.sweep();
    },
  },
  {
    name: "maintenance",
    schedule: (config) => config.maintenanceSchedule,
    missed: (services, due) => services.monitor.missedMaintenance(due),
    async handler(services) {
      return services.monitor.cleanupAndMaintenance();
    },
  },
];
