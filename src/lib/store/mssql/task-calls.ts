import { actorOf } from "../../trace/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import { usageLimit } from "../rules/usage.ts";
import { leaseLost, type TaskCaller, taskNotFound } from "../task-records.ts";
import type { Outcome } from "./batch.ts";

/**
 * What the four calls of an agent about its task have in common: who calls, and why it is refused. (Apart from
 * task-transitions.ts, which would be too long; the embedded store reads row by row and needs less of it.)
 */

/** A call about a task: the body names the agent and its attempt. */
export interface Call<Body extends TaskCaller> {
  taskId: string;
  body: Body;
}

/** @returns the refusal of a code that `readCalls` gives */
export function refusal(code: string, { taskId, body }: Call<TaskCaller>): Outcome<never> {
  if (code === "TASK_NOT_FOUND") return { refusal: taskNotFound(taskId) };
  if (code === "AGENT_NOT_FOUND") return { refusal: agentNotFound(body.agentId) };
  if (code === "AGENT_DEREGISTERED") return { refusal: agentDeregistered(body.agentId) };
  if (code === "USAGE_LIMIT") return { refusal: usageLimit(taskId, body.attempt) };
  return { refusal: leaseLost(taskId, body) };
}

export function encodeCaller({ taskId, body }: Call<TaskCaller>): {
  task_id: string;
  agent_id: string;
  actor: string;
  attempt: number;
} {
  return { task_id: taskId, agent_id: body.agentId, actor: actorOf(body.agentId), attempt: body.attempt };
}
