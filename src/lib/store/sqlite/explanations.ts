import { z } from "zod";
import type { Candidate, Explanation } from "../../tasks/task.ts";
import { iso } from "../instants.ts";
import type { Weighed, WeighedWorker } from "./candidates.ts";

/** Why an agent was chosen: kept with every attempt as a compact text, and read as an Explanation. */

/** The order in which workers are weighed; its number is kept with each explanation. */
const POLICIES: Readonly<Record<number, string>> = {
  1: "another agent than the one whose attempt just ended; lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
};
const POLICY = 1;

const storedSchema = z.object({
  policy: z.int(),
  /** missingCapability, notActive, noFreeSlot, beyondLimit, notNamed */
  excluded: z.tuple([z.int(), z.int(), z.int(), z.int(), z.int()]),
  considered: z.string(),
});

/**
 * The text that is kept with an attempt, about 45 bytes a candidate. The candidates are one string, not arrays of
 * arrays: 64 of those cost as much to write, check and store as a fifth of the assignment. Ids hold no comma,
 * semicolon or quotation mark.
 */
export function storeExplanation(weighed: Weighed): string {
  const { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed } = weighed.excluded;
  const excluded = `${missingCapability},${notActive},${noFreeSlot},${beyondLimit},${notNamed}`;
  let considered = "";
  for (const worker of weighed.considered) considered += storeCandidate(worker);
  return `{"policy":${POLICY},"excluded":[${excluded}],"considered":"${considered}"}`;
}

/** id, active, capacity, preferred, completed, failed, last assigned, whether it ended the last attempt */
function storeCandidate({ agent, preferred, endedLastAttempt }: WeighedWorker): string {
  const load = `${agent.active_tasks},${agent.max_concurrent_tasks}`;
  const record = `${agent.completed},${agent.failed},${agent.last_assigned_at}`;
  return `${agent.agent_id},${load},${preferred},${record},${endedLastAttempt ? 1 : 0};`;
}

/** Reads what storeExplanation wrote. */
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
  if (lastAssignedAt > 0) candidate.lastAssignedAt = iso(lastAssignedAt);
  return candidate;
}
