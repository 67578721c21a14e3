import type { DependencyCondition } from "../../../src/lib/model/dependency.ts";
import type { Notify } from "../../../src/lib/model/workflow.ts";

/**
 * What docs/workflows.md says of tasks that wait for each other, by brute force: after each step every task is looked at again, by the
 * states of all that it waits for. No counters, no order of rows, no batches, as the engines have them.
 */

export interface ModelTask {
  /** The number of its workflow; of a task by itself undefined. */
  workflow: number | undefined;
  dependsOn: readonly { task: number; when: DependencyCondition }[];
  gate: boolean;
  /** Whether there is a worker for it: one that can have any number of tasks. */
  manned: boolean;
  status: "blocked" | "pending" | "assigned" | "running" | "input_required" | "completed" | "failed" | "cancelled";
  /** NOT_NEEDED, STOPPED, DEPENDENCY_FAILED, or what the call said. */
  error: string | undefined;
  /** Whether a worker ever had it. */
  given: boolean;
  /** Whether it was asked to stop while it ran. */
  cancelAsked: boolean;
  lost: number;
}

export interface ModelWorkflow {
  onFailure: "stop" | "continue";
  notify: Notify;
}

export type NewModelTask = Pick<ModelTask, "workflow" | "dependsOn" | "gate" | "manned">;

type Final = "completed" | "failed" | "cancelled";

export const ended = ({ status }: ModelTask): boolean => ["completed", "failed", "cancelled"].includes(status);

export class WorkflowModel {
  readonly tasks: ModelTask[] = [];
  readonly workflows: ModelWorkflow[] = [];
  /** How many tasks the last step has handed out: of more than ten the sweep hands out the rest. */
  handedOut = 0;

  /** Creates tasks together: a dependency may be any task before it, of this call or not. */
  create(tasks: readonly NewModelTask[]): void {
    const first = this.tasks.length;
    for (const task of tasks) {
      const fresh = { error: undefined, given: false, cancelAsked: false, lost: 0 };
      this.tasks.push({ ...task, ...fresh, status: "blocked" });
    }
    const lost = this.tasks.slice(first).flatMap((task) => this.#lost(task));
    this.#settle(new Set(lost));
  }

  /** A worker starts, completes or fails what it has; a person approves or rejects (fails) what a gate asks. */
  start(task: ModelTask): void {
    this.handedOut = 0;
    task.status = "running";
  }

  end(task: ModelTask, status: "completed" | "failed", error?: string): void {
    if (status === "failed" && task.cancelAsked) this.#endAll([task], "cancelled", "no more");
    else this.#endAll([task], status, error);
  }

  /** A failed attempt that has one retry left, whose backoff is over: handed out again. */
  lose(task: ModelTask): void {
    if (task.cancelAsked || task.lost === 1) this.end(task, "failed", "lost");
    else {
      task.lost += 1;
      task.status = "assigned";
      this.handedOut = 1;
    }
  }

  /** Of one task, or of all open ones of a workflow together. */
  cancel(tasks: readonly ModelTask[]): void {
    const open = tasks.filter((task) => !ended(task));
    for (const task of open) if (task.status === "running") task.cancelAsked = true;
    this.#endAll(
      open.filter(({ status }) => status !== "running"),
      "cancelled",
      "no more",
    );
  }

  #endAll(tasks: readonly ModelTask[], status: Final, error: string | undefined): void {
    for (const task of tasks) Object.assign(task, { status, error });
    this.#settle(new Set(tasks));
  }

  /** Round by round: what the ends of one round end is the next round. What is left and has all that it waits for goes on. */
  #settle(first: ReadonlySet<ModelTask>): void {
    for (let round = first; round.size > 0; ) {
      const stopped = this.tasks.filter((task) => this.#isStoppedBy(task, round));
      const lost = this.tasks.filter((task) => !stopped.includes(task) && this.#lost(task, round).length > 0);
      for (const task of stopped) Object.assign(task, { status: "cancelled", error: "STOPPED" });
      for (const task of lost) {
        const fails = task.dependsOn.every(({ when }) => when === "completed");
        const failed = fails && this.#lost(task, round).some((other) => other.error !== "NOT_NEEDED");
        if (failed) Object.assign(task, { status: "failed", error: "DEPENDENCY_FAILED" });
        else Object.assign(task, { status: "cancelled", error: "NOT_NEEDED" });
      }
      round = new Set([...stopped, ...lost]);
    }
    this.handedOut = 0;
    for (const task of this.tasks) if (task.status === "blocked") this.#goOn(task);
  }

  #goOn(task: ModelTask): void {
    if (!task.dependsOn.every((dependency) => this.#holds(dependency) === true)) return;
    if (task.gate) task.status = "input_required";
    else if (!task.manned) task.status = "pending";
    else {
      task.status = "assigned";
      task.given = true;
      this.handedOut += 1;
    }
  }

  /** Whether a condition holds; undefined while that is open. */
  #holds({ task, when }: { task: number; when: DependencyCondition }): boolean | undefined {
    const other = this.at(task);
    if (!ended(other)) return undefined;
    if (when === "ended") return true;
    return when === "completed" ? other.status === "completed" : failedForGood(other);
  }

  /** Those that a blocked task waits for in vain, of the round or of all. */
  #lost(task: ModelTask, round?: ReadonlySet<ModelTask>): ModelTask[] {
    if (task.status !== "blocked") return [];
    const vain = task.dependsOn.filter((dependency) => this.#holds(dependency) === false);
    return vain.map((dependency) => this.at(dependency.task)).filter((other) => round?.has(other) ?? true);
  }

  #isStoppedBy(task: ModelTask, round: ReadonlySet<ModelTask>): boolean {
    const { workflow } = task;
    if (workflow === undefined || this.workflows[workflow]?.onFailure !== "stop") return false;
    if (ended(task) || task.given || this.#isForCases(task)) return false;
    return [...round].some((other) => other.workflow === workflow && failedForGood(other));
  }

  /** It waits for a failure or an end, or stands behind a task of its workflow that does. */
  #isForCases(task: ModelTask): boolean {
    return task.dependsOn.some(({ task: index, when }) => {
      const other = this.at(index);
      return when !== "completed" || (other.workflow === task.workflow && this.#isForCases(other));
    });
  }

  at(index: number): ModelTask {
    const task = this.tasks[index];
    if (task === undefined) throw new Error(`there is no task ${index}`);
    return task;
  }

  of(workflow: number): ModelTask[] {
    return this.tasks.filter((task) => task.workflow === workflow);
  }

  /** What `GET /workflows/{workflowId}` is to say: its status, version, and counts above 0. */
  summary(workflow: number): { status: string; version: number; counts: Record<string, number> } {
    const tasks = this.of(workflow);
    const counts: Record<string, number> = {};
    for (const task of tasks) counts[countedAs(task)] = (counts[countedAs(task)] ?? 0) + 1;
    const over = tasks.filter(ended).length;
    const status =
      over < tasks.length ? "running" : counts.failed ? "failed" : counts.cancelled ? "cancelled" : "completed";
    return { status, version: 1 + over, counts };
  }

  /** Whether the supervisor is told of the end of the task itself. */
  tells(task: ModelTask): boolean {
    if (!ended(task) || task.error === "NOT_NEEDED") return false;
    return task.workflow === undefined || this.workflows[task.workflow]?.notify === "each";
  }
}

function failedForGood({ status, error }: ModelTask): boolean {
  return status === "failed" || (status === "cancelled" && error !== "NOT_NEEDED");
}

function countedAs({ status, error }: ModelTask): string {
  if (status !== "cancelled") return status;
  return error === "NOT_NEEDED" ? "notNeeded" : error === "STOPPED" ? "stopped" : status;
}
