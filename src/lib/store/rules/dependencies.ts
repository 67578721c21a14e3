import type { DependencyCondition } from "../../model/dependency.ts";

/**
 * What the end of a task is to those that wait for it. The rule of both engines; a test finds its words in settle-dependents.sql and
 * check-new-tasks.sql.
 */

/** What a task fails with that waits for the completion of one which failed or was cancelled. */
export const DEPENDENCY_FAILED = "DEPENDENCY_FAILED";
/** What a task is cancelled with whose condition can no longer hold, so that it is not needed: no failure, and nobody is told. */
export const NOT_NEEDED = "NOT_NEEDED";

/** How a task ended, as far as those that wait for it are concerned: `failed` stands for cancelled, too. */
export type DependencyEnd = "completed" | "failed" | "not_needed";

/** Whether the end is what was waited for. One that was not needed neither completed nor failed. */
export function meets(end: DependencyEnd, when: DependencyCondition): boolean {
  return when === "ended" || end === when;
}

/**
 * What becomes of a task, one condition of which can no longer hold.
 *
 * @param conditional whether it waits for anything else than completions: such a task is one for a certain case, which has not come
 */
export function fateOfDependent(
  end: DependencyEnd,
  conditional: boolean,
): { status: "failed" | "cancelled"; error: string } {
  return end === "failed" && !conditional
    ? { status: "failed", error: DEPENDENCY_FAILED }
    : { status: "cancelled", error: NOT_NEEDED };
}
