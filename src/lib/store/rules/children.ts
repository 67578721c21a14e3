import { coversPattern, matchesPattern } from "../../model/patterns.ts";
import { PRIORITIES, type Priority } from "../../model/values.ts";
import type { NewChild } from "../calls.ts";

/** Which children a task may make. The rule of both engines: what it looks at of the parent never changes. */

/** Places of children among the dependencies of their parent: those of its n-th suspension stand at n times this, and behind. */
export const CHILD_PLACES = 1_000;

/** What a child is cancelled with whose parent has ended. */
export const PARENT_ENDED = "PARENT_ENDED";

/** What decides of a parent. */
export interface ParentTask {
  taskId: string;
  priority: Priority;
  /** Empty: it may make none. */
  childTypes: readonly string[];
  /** How many parents it has above it. */
  depth: number;
}

/** Why the children may not be made; undefined: they may, as far as this rule goes (their count is looked at where they are counted). */
export function beyondParent(
  { taskId, priority, childTypes, depth }: ParentTask,
  children: readonly Pick<NewChild, "taskType" | "priority" | "children">[],
  maxDepth: number,
): string | undefined {
  if (depth + 1 > maxDepth)
    return `Task ${taskId} is ${depth} deep, and ${maxDepth} is the most: it may make no children.`;
  const rank = PRIORITIES.indexOf(priority);
  for (const child of children) {
    if (!childTypes.some((pattern) => matchesPattern(pattern, child.taskType))) {
      return `Task ${taskId} may not make a child of type ${child.taskType}.`;
    }
    const passedOn = child.children?.taskTypes ?? [];
    const more = passedOn.find((inner) => !childTypes.some((outer) => coversPattern(outer, inner)));
    if (more !== undefined) return `Task ${taskId} may not let its children make children of type ${more}.`;
    if (child.priority !== undefined && PRIORITIES.indexOf(child.priority) > rank) {
      return `Task ${taskId} is ${priority}: a child of it cannot be ${child.priority}.`;
    }
  }
  return undefined;
}
