import { type Dependency, dependencyConditionSchema, writeDependency } from "../../model/dependency.ts";
import type { StoredTask } from "../store.ts";
import { buildTask, type TaskExtras, type TaskParts } from "../task-reading.ts";
import type { TaskRow } from "../task-records.ts";

/** How the row of a task reads. */

/** A row of a task with all that belongs to it: one statement reads it, so that what it says is of one moment. */
export interface ReadableTaskRow extends TaskRow, TaskParts {
  /** `condition/id` joined by commas; no id has a comma or slash. */
  depends_on: string | null;
}

/** The task as it is stored. */
export function readTask(row: ReadableTaskRow, extras: TaskExtras): StoredTask {
  return buildTask(row, row, readDependsOn(row.depends_on), extras);
}

/** What a task depends on, from the text in `depends_on`. */
export function readDependsOn(joined: string | null): Dependency[] {
  if (joined === null) return [];
  return joined.split(",").map((text) => {
    const slash = text.indexOf("/");
    const when = dependencyConditionSchema.parse(text.slice(0, slash));
    return writeDependency({ taskId: text.slice(slash + 1), when });
  });
}
