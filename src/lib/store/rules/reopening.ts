import { meets, NOT_NEEDED } from "./dependencies.ts";
import type {
  Reopened,
  ReopenedRow,
  ReopenedWorkflow,
  RetriedDependency,
  RetriedTask,
  SeenReopening,
  ToldDependent,
} from "./reopening-rows.ts";
import { countedEnd } from "./workflows.ts";

/**
 * What follows from re-opening tasks that have failed or were cancelled: those that ended because of them are open again, too, and what
 * waits for them counts them as unfinished. The rule of both engines; its refusals are in retries.ts.
 */

/** How a task ended, as far as those that wait for it are concerned; undefined: it has not. */
function endOf({ status, error }: Pick<RetriedDependency, "status" | "error">) {
  if (status === "completed") return "completed";
  if (status !== "failed" && status !== "cancelled") return undefined;
  return status === "cancelled" && error === NOT_NEEDED ? "not_needed" : "failed";
}

/** Whether one that waited for a failure has gone on since: a worker was given it, or its question was asked. */
function wentOn({ condition, attempt, gate, status, because_of }: ToldDependent): boolean {
  if (condition !== "failed") return false;
  if (attempt > 0 || gate === 0) return attempt > 0;
  return status === "input_required" || status === "completed" || (status === "failed" && because_of === null);
}

/** Tasks that are being re-opened, with what follows. */
export class Reopening {
  readonly #seen: SeenReopening;
  readonly #now: number;
  /** Tasks that are open again, by id, with what their history says. */
  readonly #reopened = new Map<
    string,
    { task: RetriedTask; detail?: string | undefined; actor?: string | undefined }
  >();
  /** Tasks that stay ended, by id, and because of which other one. */
  readonly #staying = new Map<string, { task: RetriedTask; cause: string }>();
  readonly #visited = new Set<string>();

  constructor(seen: SeenReopening, now: number) {
    this.#seen = seen;
    this.#now = now;
  }

  reopen(task: RetriedTask, history: { detail?: string | undefined; actor?: string | undefined }): void {
    this.#reopened.set(task.task_id, { task, ...history });
    this.#staying.delete(task.task_id);
  }

  /** Why the task cannot go on if it were open; undefined: it can. */
  obstacle({ task_id: taskId, expires_at: expiresAt, left_behind: leftBehind }: RetriedTask): string | undefined {
    if (leftBehind === 1) return "its parent has gone on without it";
    if (expiresAt !== null && expiresAt <= this.#now) return "its expiresAt has passed";
    const begun = this.#seen.told(taskId).find(wentOn);
    return begun && `task ${begun.task_id}, which waited for the failure of ${taskId}, has begun`;
  }

  /** A dependency that has ended otherwise than the task waits for, and is not re-opened. */
  lost({ task_no: taskNo }: RetriedTask): RetriedDependency | undefined {
    return this.#seen.dependencies(taskNo).find((dependency) => {
      const end = this.#endOf(dependency);
      return end !== undefined && !meets(end, dependency.condition);
    });
  }

  #endOf(dependency: RetriedDependency) {
    return this.#reopened.has(dependency.depends_on) ? undefined : endOf(dependency);
  }

  /**
   * Re-opens what ended because of these, and because of that, generation by generation; of them at most `budget` are looked at.
   *
   * @param refuse told of a task that cannot follow since its own compensation has begun; without it such a task stays ended
   */
  follow(from: Iterable<string>, budget: number, refuse?: (task: RetriedTask, why: string) => never): void {
    const roots = [...from];
    this.#followAll(roots, budget, refuse);
    // Beyond the budget as well: what waits for them counts them as unfinished, and what is left of them is found by the sweep.
    for (const taskId of [...roots, ...this.#reopened.keys()]) this.#visited.add(taskId);
  }

  #followAll(roots: readonly string[], budget: number, refuse?: (task: RetriedTask, why: string) => never): void {
    let left = budget;
    const again = new Map<string, RetriedTask[]>();
    for (let level = [...roots]; level.length > 0; ) {
      const next: string[] = [];
      for (const cause of level) {
        for (const task of [...this.#seen.followers(cause), ...(again.get(cause) ?? [])]) {
          if (left === 0) return;
          if (this.#reopened.has(task.task_id)) continue;
          left -= 1;
          const elsewhere = this.#stays(task, cause, refuse);
          if (elsewhere === undefined) {
            this.reopen(task, { detail: cause });
            next.push(task.task_id);
          } else {
            this.#staying.set(task.task_id, { task, cause: elsewhere });
            again.set(elsewhere, [...(again.get(elsewhere) ?? []), task]);
          }
        }
      }
      level = next;
    }
  }

  /** The task because of which it stays ended: another that it waits for, or itself. */
  #stays(task: RetriedTask, cause: string, refuse?: (task: RetriedTask, why: string) => never): string | undefined {
    const lost = this.lost(task);
    if (lost !== undefined) return lost.depends_on === cause ? task.task_id : lost.depends_on;
    const why = this.obstacle(task);
    if (why === undefined) return undefined;
    const own = task.left_behind === 1 || (task.expires_at !== null && task.expires_at <= this.#now);
    if (!own) refuse?.(task, why);
    return task.task_id;
  }

  /** What all of this comes to. */
  written(dropped: readonly string[] = []): Reopened {
    const rows = new Map<number, ReopenedRow>();
    const settlements: Reopened["settlements"][number][] = [];
    for (const reopened of this.#reopened.values()) {
      const row = this.#rowOf(reopened, rows, settlements);
      rows.set(row.task_no, row);
    }
    for (const taskId of this.#visited) this.#wait(taskId, rows, settlements);
    for (const { task } of this.#staying.values()) hold(rows, task);
    return {
      tasks: [...rows.values()].sort((a, b) => a.task_no - b.task_no),
      settlements,
      causes: [...this.#staying.values()].map(({ task, cause }) => ({ task_no: task.task_no, because_of: cause })),
      ...this.#takenBack(),
      visited: [...this.#visited],
      dropped,
    };
  }

  #rowOf(
    { task, detail, actor }: { task: RetriedTask; detail?: string | undefined; actor?: string | undefined },
    rows: Map<number, ReopenedRow>,
    settlements: Reopened["settlements"][number][],
  ): ReopenedRow {
    let unmet = 0;
    for (const dependency of this.#seen.dependencies(task.task_no)) {
      const open = this.#endOf(dependency) === undefined;
      if (open) unmet += 1;
      settlements.push({ task_no: task.task_no, position: dependency.position, settled: open ? 0 : 1 });
      const { depends_no: task_no, depends_on: task_id, version, status } = dependency;
      if (task_no !== null && version !== null) hold(rows, { task_no, task_id, version, status, gate: 0 });
    }
    const waits = task.gate === 1 ? "input_required" : "pending";
    const { task_no, task_id, version, status: was, gate } = task;
    const becomes = unmet > 0 ? "blocked" : waits;
    return { task_no, task_id, version, step: "reopen", was, becomes, unmet, gate, detail, actor };
  }

  /** What had gone on waiting, or was still waiting for others, counts it as unfinished again. */
  #wait(taskId: string, rows: Map<number, ReopenedRow>, settlements: Reopened["settlements"][number][]): void {
    for (const dependent of this.#seen.told(taskId)) {
      const { task_no, task_id, version, status, condition, position, gate } = dependent;
      const back = condition === "failed" && status === "pending";
      if (this.#reopened.has(task_id) || wentOn(dependent) || (status !== "blocked" && !back)) continue;
      const known = rows.get(task_no);
      if (back && known?.step === "wait") continue;
      if (back && this.#putBack(dependent, rows, settlements)) continue;
      const unmet = (known?.step === "wait" ? known.unmet : dependent.unmet_dependencies) + 1;
      const row = { task_no, task_id, version, was: status, becomes: "blocked" as const, unmet, gate };
      rows.set(task_no, { ...row, step: "wait" });
      settlements.push({ task_no, position, settled: 0 });
    }
  }

  /** One that had gone on counts all that it waits for anew: another of them may be open again as well, or since an earlier retry. */
  #putBack(
    { task_no, task_id, version, status, gate }: ToldDependent,
    rows: Map<number, ReopenedRow>,
    settlements: Reopened["settlements"][number][],
  ): boolean {
    const open = this.#seen.dependencies(task_no).filter((dependency) => this.#endOf(dependency) === undefined);
    if (open.length === 0) return false;
    rows.set(task_no, {
      task_no,
      task_id,
      version,
      step: "wait",
      was: status,
      becomes: "blocked",
      unmet: open.length,
      gate,
    });
    for (const { position, depends_no: no, depends_on: id, version: seen, status: state } of open) {
      settlements.push({ task_no, position, settled: 0 });
      if (no !== null && seen !== null) hold(rows, { task_no: no, task_id: id, version: seen, status: state, gate: 0 });
    }
    return true;
  }

  #takenBack(): Pick<Reopened, "workflows" | "totals"> {
    const workflows = new Map<number, ReopenedWorkflow>();
    let failed = 0;
    let notNeeded = 0;
    for (const { task } of this.#reopened.values()) {
      const { workflow_no: no, error, because_of: cause } = task;
      if (task.status !== "failed" && task.status !== "cancelled") continue;
      const end = countedEnd(task.status, error ?? undefined, cause ?? undefined);
      if (end === "failed") failed += 1;
      if (end === "not_needed") notNeeded += 1;
      if (no === null) continue;
      const none = { workflow_no: no, reopened: 0, completed: 0, failed: 0, cancelled: 0, not_needed: 0, stopped: 0 };
      const workflow = workflows.get(no) ?? none;
      workflows.set(no, { ...workflow, reopened: workflow.reopened + 1, [end]: workflow[end] + 1 });
    }
    const totals: Reopened["totals"] = [
      { name: "tasks:failed_total", delta: -failed },
      { name: "tasks:not_needed_total", delta: -notNeeded },
    ];
    const byNo = (a: ReopenedWorkflow, b: ReopenedWorkflow) => a.workflow_no - b.workflow_no;
    return { workflows: [...workflows.values()].sort(byNo), totals: totals.filter(({ delta }) => delta !== 0) };
  }
}

/** Whoever writes makes sure that it is as it was read. */
function hold(
  rows: Map<number, ReopenedRow>,
  { task_no, task_id, version, status, gate }: Pick<RetriedTask, "task_no" | "task_id" | "version" | "status" | "gate">,
): void {
  if (rows.has(task_no)) return;
  rows.set(task_no, { task_no, task_id, version, step: "hold", was: status, becomes: status, unmet: 0, gate });
}
