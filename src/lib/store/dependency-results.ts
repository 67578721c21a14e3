import type { JsonValue } from "../model/json.ts";
import { BROUGHT_RESULTS_MAX_BYTES } from "../model/limits.ts";
import type { DependencyResult, TaskStatus } from "../model/task.ts";
import { CHILD_PLACES } from "./rules/children.ts";
import type { StoredDependency } from "./stored-values.ts";

/** What is told of the tasks that a task depends on: the same whichever engine keeps the rows. */

/** A dependency as an engine reads it. `result` and `error`: of a task that has ended. */
export interface DependencyRow {
  /** In `dependsOn`; of children from CHILD_PLACES on. */
  position: number;
  task_id: string;
  /** In the workflow of both, or among the children. */
  ref: string | null;
  status: TaskStatus;
  /** JSON text. */
  result: string | null;
  result_key: string | null;
  error: string | null;
  /** 1: it has a result or an error that was not read, for want of room. */
  left_out: number;
}

/**
 * Room for results and errors in one assignment. They take it in their order: the first for which too little is left takes all that is left, so
 * that a reader need not look at what stands behind it.
 *
 * @example
 * const room = new ResultRoom(); // one for all that an assignment brings
 */
export class ResultRoom {
  #left: number;

  constructor(bytes: number = BROUGHT_RESULTS_MAX_BYTES) {
    this.#left = bytes;
  }

  /** Bytes. */
  get left(): number {
    return this.#left;
  }

  /** @returns whether there was room for so many bytes; of what is encrypted those of its envelope */
  take(bytes: number): boolean {
    const fits = bytes <= this.#left;
    this.#left = fits ? this.#left - bytes : 0;
    return fits;
  }

  /** Something was left out already. */
  close(): void {
    this.#left = 0;
  }
}

/** The rows in the order of `dependsOn`, as far as there is room for what they tell. */
export function buildDependencies(rows: readonly DependencyRow[], room: ResultRoom): StoredDependency[] {
  return [...rows].sort((a, b) => a.position - b.position).map((row) => buildDependency(row, room));
}

function buildDependency(row: DependencyRow, room: ResultRoom): StoredDependency {
  const dependency: StoredDependency = { taskId: row.task_id, status: row.status };
  if (row.ref !== null) dependency.ref = row.ref;
  if (row.position >= CHILD_PLACES) dependency.child = true;
  if (row.left_out === 1) room.close();
  const bytes = Buffer.byteLength(row.result ?? "") + Buffer.byteLength(row.error ?? "");
  if (row.left_out === 1 || !room.take(bytes)) return { ...dependency, truncated: true };
  if (row.result !== null) dependency.result = JSON.parse(row.result) as JsonValue;
  if (row.result !== null && row.result_key !== null) dependency.keyVersion = row.result_key;
  if (row.error !== null) dependency.error = row.error;
  return dependency;
}

/** As its reader sees it, but for a result that is encrypted. */
export function shownDependency({ keyVersion: _, child: __, ...dependency }: StoredDependency): DependencyResult {
  return dependency;
}
