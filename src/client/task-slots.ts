import type { RunEnd } from "./attempt-ending.ts";
import type { AbortCause } from "./handler-errors.ts";
import type { TaskRun } from "./task-run.ts";

/**
 * The runs of one worker: at most one attempt per task is of interest, and at most so many handlers run at once. The
 * server never assigns more than that; a run waits here only while the one before it is ending.
 */
export class TaskSlots {
  readonly #slots: number;
  /** Must not throw. */
  readonly #onEnd: (run: TaskRun, end: RunEnd) => void;
  /** By task id: the latest attempt, running or waiting for a slot. */
  readonly #latest = new Map<string, TaskRun>();
  readonly #waiting: TaskRun[] = [];
  /** Runs that have not ended, those of lost attempts included: they hold a slot of this process. */
  readonly #active = new Set<Promise<void>>();

  /** @param slots 0 counts as 1: what was assigned before the capacity was lowered is still done */
  constructor(slots: number, onEnd: (run: TaskRun, end: RunEnd) => void) {
    this.#slots = Math.max(1, slots);
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#latest.size;
  }

  /** True while a handler has not ended. */
  get busy(): boolean {
    return this.#active.size > 0;
  }

  get(taskId: string): TaskRun | undefined {
    return this.#latest.get(taskId);
  }

  runs(): TaskRun[] {
    return [...this.#latest.values()];
  }

  /** Runs it when there is a slot. An earlier attempt at the same task is lost by that. */
  add(run: TaskRun): void {
    this.#latest.get(run.task.taskId)?.abort("lost");
    this.#latest.set(run.task.taskId, run);
    this.#waiting.push(run);
    this.#fill();
  }

  abortAll(why: AbortCause): void {
    for (const run of this.#latest.values()) run.abort(why);
  }

  /** Resolves when no handler runs. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active);
  }

  #fill(): void {
    while (this.#active.size < this.#slots) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      const active = this.#work(run);
      this.#active.add(active);
      void active.then(() => {
        this.#active.delete(active);
        this.#fill();
      });
    }
  }

  async #work(run: TaskRun): Promise<void> {
    // A run never rejects; should it do so all the same, that is an end as well, and not one of the process.
    const end = await run.run().catch((error: unknown): RunEnd => ({ end: "unreported", error }));
    const { taskId } = run.task;
    if (this.#latest.get(taskId) === run) this.#latest.delete(taskId);
    this.#onEnd(run, end);
  }
}
