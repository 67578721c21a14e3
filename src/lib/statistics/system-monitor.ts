import type { Store } from "../store/store.ts";
import type { Health, MaintenanceReport, Metrics, SweepReport } from "./statistics.ts";

/** How the whole is doing, and its upkeep. */
export class SystemMonitor {
  readonly #store: Store;

  constructor(options: { store: Store }) {
    this.#store = options.store;
  }

  /** All statistics and the performance derived from them. */
  async metrics(): Promise<Metrics> {
    const [queue, registry, coordination] = await Promise.all([
      this.#store.queueStatistics(),
      this.#store.registryStatistics(),
      this.#store.coordinationStatistics(),
    ]);
    const { tasksAssigned, tasksCompleted, tasksFailed } = coordination.metrics;
    return {
      queue,
      registry,
      coordination,
      performance: {
        messageThroughput: queue.messagesPerMinute,
        agentUtilization: registry.averageLoad,
        taskCompletionRate: tasksCompleted / Math.max(tasksAssigned, 1),
        errorRate: tasksFailed / Math.max(tasksAssigned, 1),
      },
    };
  }

  /** Whether the store answers. `recentActivity` alone never makes it unhealthy. */
  async health(): Promise<Health> {
    const checks = await this.#store.checkHealth();
    const healthy = checks.databaseConnection && checks.messageQueueOperational && checks.agentRegistryAccessible;
    return { status: healthy ? "healthy" : "unhealthy", checks };
  }

  /** The daily upkeep; also `POST /maintenance`. */
  cleanupAndMaintenance(): Promise<MaintenanceReport> {
    return this.#store.maintain();
  }

  sweep(): Promise<SweepReport> {
    return this.#store.sweep();
  }
}
