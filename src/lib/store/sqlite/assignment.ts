import type { Explanation } from "../../model/explanation.ts";
import type { JsonValue } from "../../model/json.ts";
import { PRIORITIES } from "../../model/values.ts";
import { iso } from "../instants.ts";
import type { NewTask } from "../store.ts";
import { startDeadlineOf } from "../task-records.ts";
import { type AgentRow, agentByNo, changeAgent } from "./agent-rows.ts";
import { setsByNo, setsOfDemand, type Wanted, type Weighed, weigh } from "./candidates.ts";
import { findDemand, workingSetsThatMeet } from "./capability-sets.ts";
import { hasDependencies } from "./dependency-results.ts";
import { readExplanation, storeExplanation } from "./explanations.ts";
import { checkNewTask } from "./new-tasks.ts";
import { resumedBy } from "./resumption.ts";
import { writeSystemMessage } from "./system-messages.ts";
import { addEvent, changeTask, type LiveTask, type TaskChanges, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Who gets a task, and the one way in which an agent gets it. */

/**
 * What assignTask would weigh and choose now, as if every dependency had completed; writes nothing.
 *
 * @throws what assignTask throws
 */
export function previewAssignment(transaction: Transaction, task: NewTask): Explanation {
  const { assignTo } = checkNewTask(transaction, task);
  const demandNo = findDemand(transaction, task.requiredCapabilities);
  const sets =
    demandNo === undefined
      ? setsByNo(transaction, workingSetsThatMeet(transaction, task.requiredCapabilities))
      : setsOfDemand(transaction, demandNo);
  return readExplanation(
    storeExplanation(
      weigh(transaction, { sets, preferred: task.preferredCapabilities, lastAttempt: undefined, named: assignTo }),
    ),
  );
}

/** Weighs who can take a task now. `named`: the agent of `assignTo`, when the caller has its row. */
export function weighFor(
  transaction: Transaction,
  task: Omit<TaskRow, "task_no">,
  preferred: readonly string[],
  named?: AgentRow,
): Weighed {
  const wanted: Wanted = {
    sets: setsOfDemand(transaction, task.demand_no),
    preferred,
    lastAttempt:
      task.agent_no === null ? undefined : { agentNo: task.agent_no, suspended: task.last_outcome === "suspended" },
  };
  if (task.assign_to_no !== null) wanted.named = named ?? agentByNo(transaction, task.assign_to_no);
  return weigh(transaction, wanted);
}

/** How the row of a task changes when an agent gets it. */
export function assignedTo(task: Omit<TaskRow, "task_no">, agentNo: number, now: number) {
  return {
    status: "assigned",
    agent_no: agentNo,
    attempt: task.attempt + 1,
    assigned_at: now,
    deadline_at: now + task.timeout_milliseconds,
  } as const satisfies TaskChanges;
}

const ATTEMPT = "INSERT INTO task_attempts (task_no, attempt, agent_no, assigned_at) VALUES (?, ?, ?, ?)";
const EXPLANATION = "INSERT INTO task_explanations (task_no, attempt, explanation) VALUES (?, ?, ?)";

/**
 * Writes what follows from an assignment that the task's row already shows: attempt, load, message, history, counts.
 *
 * @param actor who asked for it; left out: the switchboard hands it out
 */
export function recordAssignment(
  transaction: Transaction,
  task: LiveTask,
  agent: AgentRow,
  weighed: Weighed,
  actor?: string,
): void {
  const { now } = transaction;
  transaction.run(ATTEMPT, task.task_no, task.attempt, agent.agent_no, now);
  transaction.run(EXPLANATION, task.task_no, task.attempt, storeExplanation(weighed));
  changeAgent(transaction, agent, { active_tasks: agent.active_tasks + 1, last_assigned_at: now });
  // Description and parameters are joined when the message is read, and so is what `dependencies` and `resume` say.
  const payload: { [key: string]: JsonValue } = {
    taskId: task.task_id,
    attempt: task.attempt,
    taskType: task.task_type,
    deadline: iso(task.deadline_at),
  };
  const startBy = startDeadlineOf(task);
  if (startBy !== undefined) payload.startDeadline = iso(startBy);
  const reason = task.suspensions > 0 ? resumedBy(transaction, task.task_no) : undefined;
  if (reason === "children_ended" || hasDependencies(transaction, task.task_no)) payload.dependencies = [];
  if (reason !== undefined) payload.resume = { reason };
  writeSystemMessage(transaction, agent, {
    type: "task_assignment",
    priority: PRIORITIES[task.priority] ?? "normal",
    payload,
    task: { taskNo: task.task_no, attempt: task.attempt },
  });
  addEvent(transaction, task, "assigned", { actor, agentNo: agent.agent_no });
  if (task.attempt === 1) transaction.count("tasks:assigned_once", 1);
}

const PREFERRED = "SELECT preferred_capabilities FROM task_bodies WHERE task_no = ?";

/**
 * Gives a waiting task to the best of those who can take it.
 *
 * @param agentOf the row of an agent: every transition keeps one row per agent, so that no change is lost
 * @returns whether somebody could take it
 */
export function giveToBest(transaction: Transaction, task: TaskRow, agentOf: (agentNo: number) => AgentRow): boolean {
  const body = transaction.get<{ preferred_capabilities: string }>(PREFERRED, task.task_no);
  const preferred: string[] = JSON.parse(body?.preferred_capabilities ?? "[]");
  const named = task.assign_to_no === null ? undefined : agentOf(task.assign_to_no);
  const weighed = weighFor(transaction, task, preferred, named);
  const best = weighed.considered[0];
  if (best === undefined) return false;
  const changes = assignedTo(task, best.agent.agent_no, transaction.now);
  changeTask(transaction, task, changes);
  recordAssignment(transaction, { ...task, ...changes }, agentOf(best.agent.agent_no), weighed);
  return true;
}
