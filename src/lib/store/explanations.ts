import { z } from "zod";
import type { Candidate, Explanation } from "../model/explanation.ts";
import { iso } from "./instants.ts";
import { reliability } from "./rules/candidate-order.ts";

/** Why an agent was chosen, as both engines keep it with every attempt: a compact text, read as an Explanation. */

/** The order in which workers are weighed; its number is kept with each explanation. */
const POLICIES: Readonly<Record<number, string>> = {
  1: "not the agent whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
  2: "the agent that suspended the task; not the agent whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
  3: "the agent that suspended the task; not the agent whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
};
/** The policy of today. (Up to 2, lost attempts were counted among the failed ones.) */
export const POLICY = 3;

/** The first policy that counts lost attempts apart, and where they stand among the figures of a candidate. */
const FIRST_WITH_LOST = 3;
const LOST_PLACE = 5;

const storedSchema = z.object({
  policy: z.int(),
  /** missingCapability, notActive, noFreeSlot, beyondLimit, notNamed */
  excluded: z.tuple([z.int(), z.int(), z.int(), z.int(), z.int()]),
  /** Of each: id, active, capacity, preferred, completed, failed, lost (from policy 3 on), last assigned, 1 when it ended the last attempt and 2 when it suspended, `;` */
  considered: z.string(),
});

/** Reads what storeExplanation wrote, or its twin in T-SQL. */
export function readExplanation(text: string): Explanation {
  const stored = storedSchema.parse(JSON.parse(text));
  const [missingCapability, notActive, noFreeSlot, beyondLimit, notNamed] = stored.excluded;
  const explanation: Explanation = {
    policy: POLICIES[stored.policy] ?? `policy ${stored.policy}`,
    considered: stored.considered
      .split(";")
      .slice(0, -1)
      .map((text) => readCandidate(text, stored.policy)),
    excluded: { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed },
  };
  const chosen = explanation.considered[0]?.agentId;
  if (chosen !== undefined) explanation.chosen = chosen;
  return explanation;
}

function readCandidate(text: string, policy: number): Candidate {
  const [agentId = "", ...read] = text.split(",");
  const figures = read.map(Number);
  const apart = policy >= FIRST_WITH_LOST;
  if (!apart) figures.splice(LOST_PLACE, 0, 0);
  const [active = 0, capacity = 0, preferred = 0, completed = 0, failed = 0, lost = 0, lastAssignedAt = 0, ended = 0] =
    figures;
  const candidate: Candidate = {
    agentId,
    activeTasks: active,
    maxConcurrentTasks: capacity,
    load: active / capacity,
    preferredCapabilities: preferred,
    reliability: reliability({ completed, failed, lost }),
    ...(apart ? { completed, failed, lost } : {}),
    endedLastAttempt: ended === 1,
  };
  if (ended === 2) candidate.suspendedLastAttempt = true;
  if (lastAssignedAt > 0) candidate.lastAssignedAt = iso(lastAssignedAt);
  return candidate;
}
