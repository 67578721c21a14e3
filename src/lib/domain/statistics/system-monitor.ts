import { type Clock, systemClock } from "../../model/clock.ts";
import { MAINTENANCE_BUDGET_MILLISECONDS } from "../../model/limits.ts";
import type { Health, MaintenanceReport, Metrics, SweepReport, TaskSweepReport } from "../../model/statistics.ts";
import type { Store } from "../../store/store.ts";
import type { KeyRotation } from "../credentials/key-rotation.ts";

/** Pages of the audit that are looked through at a start for the last maintenance. */
const LOOKED_PAGES_MAX = 200;

/** How the whole is doing, and its upkeep. */
export class SystemMonitor {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #keyRotation: KeyRotation | undefined;
  readonly #rightsChanged: () => void;

  /**
   * @param options.keyRotation left out where nothing is encrypted
   * @param options.rightsChanged told after maintenance, which deregisters and deletes agents and deletes credentials
   */
  constructor(options: { store: Store; clock?: Clock; keyRotation?: KeyRotation; rightsChanged?: () => void }) {
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#keyRotation = options.keyRotation;
    this.#rightsChanged = options.rightsChanged ?? (() => undefined);
  }

  /** All statistics and the performance derived from them. */
  async metrics(): Promise<Metrics> {
    const [queue, registry, coordination] = await Promise.all([
      this.#store.queueStatistics(),
      this.#store.registryStatistics(),
      this.#store.coordinationStatistics(),
    ]);
    const { tasksAssigned, tasksCompleted, tasksFailed } = coordination.metrics;
    // A task can fail without ever being assigned (a dependency failed, no worker took it in time), and fail again after a retry.
    const tasks = Math.max(tasksAssigned, tasksCompleted + tasksFailed, 1);
    return {
      queue,
      registry,
      coordination,
      performance: {
        messageThroughput: queue.messagesPerMinute,
        agentUtilization: registry.averageLoad,
        taskCompletionRate: tasksCompleted / tasks,
        errorRate: tasksFailed / tasks,
      },
    };
  }

  /** Whether the store answers. `recentActivity` alone never makes it unhealthy. */
  async health(): Promise<Health> {
    const checks = await this.#store.checkHealth();
    const healthy = checks.databaseConnection && checks.messageQueueOperational && checks.agentRegistryAccessible;
    return { status: healthy ? "healthy" : "unhealthy", checks };
  }

  /** The daily upkeep; also `POST /maintenance`. Encrypting again comes last, in what is left of the time. */
  async cleanupAndMaintenance(): Promise<MaintenanceReport> {
    const startedAt = this.#clock.monotonic();
    const seconds = () => (this.#clock.monotonic() - startedAt) / 1_000;
    const report = await this.#store.maintain().finally(this.#rightsChanged);
    const late = () => this.#clock.monotonic() - startedAt > MAINTENANCE_BUDGET_MILLISECONDS;
    const rotated = await this.#keyRotation?.maintain(late);
    return {
      ...report,
      valuesReencrypted: rotated?.reencrypted ?? 0,
      finished: report.finished && rotated?.finished !== false,
      durationSeconds: seconds(),
    };
  }

  /**
   * Whether the maintenance that was due at `due` never came although the database was in use before. The audit tells: every
   * run has an entry, and a database with no entry before that time was not there yet.
   */
  async missedMaintenance(due: number): Promise<boolean> {
    const time = new Date(due).toISOString();
    const before = await this.#store.listAudit({ to: time, limit: 1 });
    if (before.items.length === 0) return false;
    let cursor: string | undefined;
    for (let page = 0; page < LOOKED_PAGES_MAX; page += 1) {
      const { items, nextCursor } = await this.#store.listAudit({
        from: time,
        action: "maintenance.ran",
        limit: 1,
        ...(cursor === undefined ? {} : { cursor }),
      });
      if (items.length > 0) return false;
      if (nextCursor === null) return true;
      cursor = nextCursor;
    }
    // To find out would mean reading a day of a large fleet; one run too many does no harm.
    return true;
  }

  sweep(): Promise<SweepReport> {
    return this.#store.sweep();
  }

  /** The part of the sweep that is about tasks, for those that are due now. */
  sweepDueTasks(): Promise<TaskSweepReport> {
    return this.#store.sweepDueTasks();
  }
}
