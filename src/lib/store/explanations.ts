import { z } from "zod";
import type { Candidate, Explanation } from "../model/task.ts";
import { iso } from "./instants.ts";

/** Why an agent was chosen, as both engines keep it with every attempt: a compact text, read as an Explanation. */

/** The order in which workers are weighed; its number is kept with each explanation. */
const POLICIES: Readonly<Record<number, string>> = {
  1: "not the agent whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
  2: "the agent that suspended the task; not the agent whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
};
/** The policy of today. */
export const POLICY = 2;

const storedSchema = z.object({
  policy: z.int(),
  /** missingCapability, notActive, noFreeSlot, beyondLimit, notNamed */
  excluded: z.tuple([z.int(), z.int(), z.int(), z.int(), z.int()]),
  /** Of each: id, active, capacity, preferred, completed, failed, last assigned, 1 when it ended the last attempt and 2 when it suspended, `;` */
  considered: z.string(),
});

/** Reads what storeExplanation wrote, or its twin in T-SQL. */
export function readExplanation(text: string): Explanation {
  const stored = storedSchema.parse(JSON.parse(text));
  const [missingCapability, notActive, noFreeSlot, beyondLimit, notNamed] = stored.excluded;
  const explanation: Explanation = {
    policy: POLICIES[stored.policy] ?? `policy ${stored.policy}`,
    considered: stored.considered.split(";").slice(0, -1).map(readCandidate),
    excluded: { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed },
  };
  const chosen = explanation.considered[0]?.agentId;
  if (chosen !== undefined) explanation.chosen = chosen;
  return explanation;
}

function readCandidate(text: string): Candidate {
  const [agentId = "", ...figures] = text.split(",");
  const [active = 0, capacity = 0, preferred = 0, completed = 0, failed = 0, lastAssignedAt = 0, ended = 0] =
    figures.map(Number);
  const candidate: Candidate = {
    agentId,
    activeTasks: active,
    maxConcurrentTasks: capacity,
    load: active / capacity,
    preferredCapabilities: preferred,
    reliability: (completed + 1) / (completed + failed + 1),
    endedLastAttempt: ended === 1,
  };
  if (ended === 2) candidate.suspendedLastAttempt = true;
  if (lastAssignedAt > 0) candidate.lastAssignedAt = iso(lastAssignedAt);
  return candidate;
}
