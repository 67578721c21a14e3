import { newId } from "../../model/ids.ts";
import type { SuspendReply } from "../../model/suspension.ts";
import { PRIORITIES } from "../../model/values.ts";
import { actorOf } from "../../trace/call-context.ts";
import type { NewChild, NewTask, Suspension } from "../calls.ts";
import { beyondTree, tooManyDescendants } from "../child-refusals.ts";
import { beyondParent } from "../rules/children.ts";
import { wakeAgent } from "./activity.ts";
import { bigint, hash, id, int, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { encodeNewTask, refusalOf } from "./new-tasks.ts";
import { procedure } from "./procedures.ts";
import { decodeSuspension, encodeValues, type SuspendedRow } from "./suspension-calls.ts";
import { usageInput } from "./usage.ts";

/** How a task makes children. */

const READ_PARENT = procedure("read_parent");

interface ParentRow {
  supervisor_id: string;
  priority: number;
  child_types: string | null;
  depth: number;
  root_no: number;
}

/** What decides of the children; undefined: the task is not there, or archived, which the procedure says. */
async function readParent(connection: Connection, taskId: string): Promise<ParentRow | undefined> {
  const result = await connection.query(READ_PARENT, { taskId: id(taskId) });
  return result.rows<ParentRow>(0)[0];
}

/** The rule of both engines. @returns why they may not be made; null: they may */
function beyondOf(
  connection: Connection,
  taskId: string,
  parent: ParentRow | undefined,
  children: readonly NewChild[],
): string | null {
  if (parent === undefined) return null;
  const childTypes: string[] = JSON.parse(parent.child_types ?? "[]");
  const priority = PRIORITIES[parent.priority] ?? "normal";
  const facts = { taskId, priority, childTypes, depth: parent.depth };
  return beyondParent(facts, children, connection.settings.maxTaskDepth) ?? null;
}

const SUSPEND = procedure("suspend_for_children");

interface Row extends SuspendedRow {
  /** Of the child that is refused. */
  place: number | null;
  /** 1: there would be too many below one task. */
  counted: number;
}

/** Ends the attempt until children have ended, and makes them. Refusals are those of the contract (store.ts). */
export async function suspendForChildren(
  connection: Connection,
  taskId: string,
  suspension: Suspension,
  children: readonly NewChild[],
): Promise<SuspendReply> {
  const parent = await readParent(connection, taskId);
  const priority = PRIORITIES[parent?.priority ?? 0] ?? "normal";
  const made = children.map(({ ref, place, ...child }) => {
    const own = { supervisor: parent?.supervisor_id ?? "", parentTaskId: taskId, priority: child.priority ?? priority };
    const task: NewTask = { ...child, ...own };
    return { task, named: ref === undefined ? { place } : { place, ref } };
  });
  const beyond = beyondOf(connection, taskId, parent, children);
  const { agentId, attempt, checkpoint, untilHash } = suspension;
  const operationId = newId(connection.clock.now());
  const items = made.map(({ task, named }, item) => {
    return { item, ...encodeNewTask({ task, operationId, plain: false }), ...named };
  });
  const result = await connection.query(SUSPEND, {
    items: text(JSON.stringify(items)),
    ...usageInput([suspension.usage]),
    taskId: id(taskId),
    agentId: id(agentId),
    actor: id(actorOf(agentId)),
    attempt: int(attempt),
    untilHash: hash(untilHash),
    checkpoint: text(JSON.stringify(encodeValues({ checkpoint }).values)),
    beyond: text(beyond),
    rootNo: bigint(parent?.root_no ?? 0),
    maxTasks: int(connection.settings.maxTasksPerRoot),
  });
  const [row] = result.rows<Row>(0);
  if (row === undefined) throw new Error("the suspension has no outcome");
  const refused = row.place === null ? undefined : made[row.place]?.task;
  const refusal = refused && refusalOf({ code: row.code, subject: row.subject }, refused);
  if (refusal !== undefined) throw refusal;
  if (row.counted === 1) throw tooManyDescendants(taskId, connection.settings.maxTasksPerRoot);
  if (row.code === "TASK_TREE_LIMIT") throw beyondTree(beyond ?? "");
  const outcome = decodeSuspension(row, { taskId, body: suspension });
  if ("refusal" in outcome) throw outcome.refusal;
  const { reply, wakes } = outcome.value;
  if (wakes) await wakeAgent(connection, agentId);
  const taskIds = result.rows<{ depends_on: string }>(1).map((child) => child.depends_on);
  return reply.status === "blocked" ? { ...reply, taskIds } : reply;
}
