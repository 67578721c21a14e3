import type { NewTask } from "../store.ts";
import { procedure } from "./procedures.ts";

/**
 * The commonest call, alone in its batch: a task that names no agent, prefers nothing and depends on nothing, of a demand
 * that is known. Scalars instead of a plan: no table variable, a third of the text, and half of the statements. Whatever
 * else it meets (a refusal, a repeat, an agent that has just lost its room) it leaves undecided and writes nothing.
 */

/** Whether the batch for lone tasks can try it. */
export function isPlain({ assignTo, dependsOn, preferredCapabilities }: NewTask): boolean {
  return assignTo === undefined && dependsOn.length === 0 && preferredCapabilities.length === 0;
}

/** Creates the task of a lone plain call, or leaves it undecided. */
export const ASSIGN_LONE_TASK = procedure("assign_task");
