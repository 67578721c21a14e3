import type { Timer } from "../lib/http/route.ts";

/** Exactly two timers, declared as the routes are: once, for both hosts. Whatever else is periodic runs inside them. */
export const timers: readonly Timer[] = [
  {
    name: "sweep",
    schedule: (config) => config.sweepSchedule,
    async handler(services) {
      const report = await services.monitor.sweep();
      // After the sweep: a clock that was ahead, and agents that have fallen silent, are seen to by then.
      return { ...report, ...(await services.firing.fireDue()) };
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
