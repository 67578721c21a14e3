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
  return buildTask(row, row, row.depends_on === null ? [] : row.depends_on.split(",").map(readDependsOn), extras);
}

function readDependsOn(text: string): Dependency {
  const slash = text.indexOf("/");
  return writeDependency({
    taskId: text.slice(slash + 1),
    when: dependencyConditionSchema.parse(text.slice(0, slash)),
  });
}
