import { type Dependency, readDependency } from "../lib/model/dependency.ts";
import type { Workflow, WorkflowTaskState } from "../lib/model/workflow.ts";
import { cell } from "./table.ts";
import { relativeTime, type View } from "./view.ts";

/** Where a task stands: under the first task that it waits for. Others that it waits for are named behind it. */
interface Place {
  task: WorkflowTaskState;
  below: Place[];
}

/**
 * A workflow as a tree. A task that waits for several stands below the first of them; `after` names the others, and `if failed`
 * says when it runs.
 *
 * @example
 * release-7  running  by lead
 * ├─ build     completed  worker-1
 * │  └─ deploy   blocked    after review
 * └─ review    input_required
 */
export function workflowTree(workflow: Workflow, view: View): string {
  const { workflowId, status, supervisor, createdAt, endedAt, counts } = workflow;
  const counted = Object.entries(counts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  const when =
    endedAt === undefined ? `created ${relativeTime(createdAt, view)}` : `ended ${relativeTime(endedAt, view)}`;
  const head = [cell(workflowId), status, `by ${cell(supervisor)}`, when, counted.join(", ")].join("  ");
  const refs = new Map(workflow.tasks.map(({ taskId, ref }) => [taskId, ref]));
  return [head, ...lines(placed(workflow.tasks), "", refs)].join("\n");
}

function placed(tasks: readonly WorkflowTaskState[]): Place[] {
  const places = new Map(tasks.map((task): [string, Place] => [task.taskId, { task, below: [] }]));
  const roots: Place[] = [];
  for (const place of places.values()) {
    const above = place.task.dependsOn.map((one) => places.get(readDependency(one).taskId)).find((one) => one);
    (above?.below ?? roots).push(place);
  }
  return roots;
}

function lines(places: readonly Place[], indent: string, refs: ReadonlyMap<string, string>, above?: string): string[] {
  return places.flatMap(({ task, below }, index) => {
    const last = index === places.length - 1;
    const own = `${indent}${last ? "└─" : "├─"} ${describe(task, refs, above)}`;
    return [own, ...lines(below, `${indent}${last ? "   " : "│  "}`, refs, task.taskId)];
  });
}

function describe(task: WorkflowTaskState, refs: ReadonlyMap<string, string>, above: string | undefined): string {
  const { ref, status, assignedTo, attempt, error, dependsOn } = task;
  const after = dependsOn.flatMap((dependency) => waits(dependency, refs, above));
  return [
    cell(ref),
    status,
    ...(assignedTo === undefined ? [] : [cell(assignedTo)]),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(after.length === 0 ? [] : [after.join(", ")]),
    ...(error === undefined ? [] : [cell(error)]),
  ].join("  ");
}

/** The task above is seen; its condition is told unless it has to complete. */
function waits(dependency: Dependency, refs: ReadonlyMap<string, string>, above: string | undefined): string[] {
  const { taskId, when } = readDependency(dependency);
  const condition = when === "completed" ? "" : ` ${when}`;
  if (taskId === above) return condition === "" ? [] : [`if${condition}`];
  return [`after ${cell(refs.get(taskId) ?? taskId)}${condition}`];
}
