import { z } from "zod";
import type { Candidate, Explanation } from "../../tasks/task.ts";
import type { Weighed } from "./candidates.ts";
import { iso } from "./task-rows.ts";

/** Why an agent was chosen: kept with every attempt as a compact row of numbers, and read as an Explanation. */

/** The order in which workers are weighed; its number is kept with each explanation. */
const POLICIES: Readonly<Record<number, string>> = {
  1: "another agent than the one whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
};
const POLICY = 1;

/** [id, active, capacity, preferred, completed, failed, last assigned, whether it ended the last attempt] */
const candidateSchema = z.tuple([
  z.string(),
  z.int(),
  z.int(),
  z.int(),
  z.int(),
  z.int(),
  z.int(),
  z.union([z.literal(0), z.literal(1)]),
]);
const storedSchema = z.object({
  policy: z.int(),
  /** missingCapability, notActive, noFreeSlot, beyondLimit, notNamed */
  excluded: z.tuple([z.int(), z.int(), z.int(), z.int(), z.int()]),
  considered: z.array(candidateSchema),
});
type Stored = z.infer<typeof storedSchema>;

function compact(weighed: Weighed): Stored {
  const { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed } = weighed.excluded;
  return {
    policy: POLICY,
    excluded: [missingCapability, notActive, noFreeSlot, beyondLimit, notNamed],
    considered: weighed.considered.map(({ agent, preferred, endedLastAttempt }) => [
      agent.agent_id,
      agent.active_tasks,
      agent.max_concurrent_tasks,
      preferred,
      agent.completed,
      agent.failed,
      agent.last_assigned_at,
      endedLastAttempt ? 1 : 0,
    ]),
  };
}

function expand(stored: Stored): Explanation {
  const [missingCapability, notActive, noFreeSlot, beyondLimit, notNamed] = stored.excluded;
  const explanation: Explanation = {
    policy: POLICIES[stored.policy] ?? `policy ${stored.policy}`,
    considered: stored.considered.map(expandCandidate),
    excluded: { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed },
  };
  const chosen = stored.considered[0]?.[0];
  if (chosen !== undefined) explanation.chosen = chosen;
  return explanation;
}

function expandCandidate(stored: z.infer<typeof candidateSchema>): Candidate {
  const [agentId, activeTasks, maxConcurrentTasks, preferred, completed, failed, lastAssignedAt, ended] = stored;
  const candidate: Candidate = {
    agentId,
    activeTasks,
    maxConcurrentTasks,
    load: activeTasks / maxConcurrentTasks,
    preferredCapabilities: preferred,
    reliability: (completed + 1) / (completed + failed + 1),
    endedLastAttempt: ended === 1,
  };
  if (lastAssignedAt > 0) candidate.lastAssignedAt = iso(lastAssignedAt);
  return candidate;
}

/** The text that is kept with an attempt: about 50 bytes a candidate. */
export function storeExplanation(weighed: Weighed): string {
  return JSON.stringify(compact(weighed));
}

/** Reads what storeExplanation wrote. */
export function readExplanation(text: string): Explanation {
  return expand(storedSchema.parse(JSON.parse(text)));
}

/** The explanation of a choice that is not kept. */
export function explain(weighed: Weighed): Explanation {
  return expand(compact(weighed));
}
