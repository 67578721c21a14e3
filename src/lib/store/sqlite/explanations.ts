import { POLICY } from "../explanations.ts";
import type { Weighed, WeighedWorker } from "./candidates.ts";

export { readExplanation } from "../explanations.ts";

/** Why an agent was chosen: kept with every attempt as a compact text, and read as an Explanation. */

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

const LAST_ATTEMPT = { none: 0, ended: 1, suspended: 2 } as const;

/** id, active, capacity, preferred, completed, failed, lost, last assigned, what it did with the last attempt */
function storeCandidate({ agent, preferred, lastAttempt }: WeighedWorker): string {
  const load = `${agent.active_tasks},${agent.max_concurrent_tasks}`;
  const record = `${agent.completed},${agent.failed},${agent.lost},${agent.last_assigned_at}`;
  return `${agent.agent_id},${load},${preferred},${record},${LAST_ATTEMPT[lastAttempt]};`;
}
