import type { DependencyCondition, TaskDependency } from "../../model/dependency.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import type { CreateWorkflow, WorkflowTask } from "../../model/workflow.ts";

/** How the tasks of a workflow depend on each other: pure, so that it is one for both engines. */

/** What of a task decides where it stands. */
interface Plannable {
  ref: string;
  taskId?: string | undefined;
  dependsOn: readonly WorkflowTask["dependsOn"][number][];
}

/** A task of the workflow by the id that it gets, ready to be created in the order of the list. */
export interface PlannedTask<Task extends Plannable = WorkflowTask> {
  task: Task;
  taskId: string;
  dependsOn: TaskDependency[];
  /** Whether a failure in the workflow cancels it: it waits for completions alone, and so does all that it waits for. */
  stops: boolean;
}

interface Node<Task extends Plannable> extends Omit<PlannedTask<Task>, "stops"> {
  /** Refs of the tasks of this workflow that it waits for. */
  needs: string[];
}

/**
 * Turns refs into ids, and puts every task behind those that it waits for; otherwise in the order of the call.
 *
 * @param idOf the id of a task that names none
 * @throws DEPENDENCY_INVALID for an unknown ref, a task that is named twice under two conditions, and a cycle, which it names
 */
export function planWorkflow<Task extends Plannable>(
  { tasks, onFailure }: { tasks: readonly Task[]; onFailure: CreateWorkflow["onFailure"] },
  idOf: (task: Task) => string,
): PlannedTask<Task>[] {
  const ids = new Map(tasks.map((task) => [task.ref, task.taskId ?? idOf(task)]));
  const refs = new Map(tasks.flatMap(({ ref, taskId }) => (taskId === undefined ? [] : [[taskId, ref] as const])));
  const nodes = new Map(tasks.map((task) => [task.ref, nodeOf(task, ids, refs)]));
  const exempt = new Set<string>();
  return inOrder(nodes).map(({ needs, ...planned }) => {
    const waits = planned.dependsOn.some(({ when }) => when !== "completed") || needs.some((ref) => exempt.has(ref));
    if (waits) exempt.add(planned.task.ref);
    return { ...planned, stops: onFailure === "stop" && !waits };
  });
}

function nodeOf<Task extends Plannable>(
  task: Task,
  ids: ReadonlyMap<string, string>,
  refs: ReadonlyMap<string, string>,
): Node<Task> {
  const needs = new Set<string>();
  const found = new Map<string, TaskDependency>();
  for (const written of task.dependsOn) {
    const { ref, taskId, when } = named(written, ids, refs);
    const id = ref === undefined ? taskId : ids.get(ref);
    if (id === undefined) throw invalid(`Task ${task.ref} depends on ${ref}, which is no task of this workflow.`);
    if (ref !== undefined) needs.add(ref);
    const other = found.get(id)?.when ?? when;
    if (other !== when) throw invalid(`Task ${task.ref} depends on ${ref ?? taskId} under two conditions.`);
    found.set(id, { taskId: id, when });
  }
  return { task, taskId: ids.get(task.ref) ?? "", dependsOn: [...found.values()], needs: [...needs] };
}

/** A text is a ref where a task has it, else an id; an id that the call gives to one of its tasks stands for that. */
function named(
  written: WorkflowTask["dependsOn"][number],
  ids: ReadonlyMap<string, string>,
  refs: ReadonlyMap<string, string>,
): { ref?: string | undefined; taskId?: string; when: DependencyCondition } {
  if (typeof written !== "string") {
    return "ref" in written ? written : { ...written, ref: refs.get(written.taskId) };
  }
  return { ref: ids.has(written) ? written : refs.get(written), taskId: written, when: "completed" };
}

/** Depth first, by a stack of our own: a chain may be 200 tasks long. */
function inOrder<Task extends Plannable>(nodes: ReadonlyMap<string, Node<Task>>): Node<Task>[] {
  const done = new Set<string>();
  const order: Node<Task>[] = [];
  for (const start of nodes.values()) {
    const path: { node: Node<Task>; next: number }[] = [{ node: start, next: 0 }];
    while (path.length > 0) {
      const top = path.at(-1);
      if (top === undefined) break;
      if (done.has(top.node.task.ref)) path.pop();
      else if (top.next === top.node.needs.length) {
        done.add(top.node.task.ref);
        order.push(top.node);
        path.pop();
      } else {
        const needed = nodes.get(top.node.needs[top.next] ?? "");
        top.next += 1;
        if (needed === undefined || done.has(needed.task.ref)) continue;
        requireNoCycle(path, needed);
        path.push({ node: needed, next: 0 });
      }
    }
  }
  return order;
}

function requireNoCycle<Task extends Plannable>(path: readonly { node: Node<Task> }[], needed: Node<Task>): void {
  const place = path.findIndex(({ node }) => node === needed);
  if (place < 0) return;
  const refs = [...path.slice(place).map(({ node }) => node.task.ref), needed.task.ref];
  throw invalid(`The tasks wait for each other: ${refs.join(" → ")}.`);
}

function invalid(detail: string): AgentCommunicationError {
  return new AgentCommunicationError("DEPENDENCY_INVALID", detail);
}
