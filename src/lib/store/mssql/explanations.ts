import { POLICY } from "../explanations.ts";

export { readExplanation } from "../explanations.ts";

/** Why an agent was chosen: kept with every attempt as a compact text, and read as an Explanation. */

/** T-SQL expressions of what an explanation counts; see Exclusions. */
export interface ExclusionTexts {
  missingCapability: string;
  notActive: string;
  noFreeSlot: string;
  beyondLimit: string;
  notNamed: string;
}

/**
 * The text that is kept with an attempt, as a T-SQL expression; the same as the embedded store's, to the byte.
 *
 * @param considered a T-SQL expression: the texts of the candidates, best first; NULL for none
 */
export function storeExplanation(excluded: ExclusionTexts, considered: string): string {
  const { missingCapability, notActive, noFreeSlot, beyondLimit, notNamed } = excluded;
  const counts = [missingCapability, notActive, noFreeSlot, beyondLimit, notNamed].map(atLeastZero).join(", ',', ");
  return `CONCAT('{"policy":${POLICY},"excluded":[', ${counts}, '],"considered":"', ${considered}, '"}')`;
}

/** Counters and rows are read by one statement, but not every isolation level shows it one state of both. */
function atLeastZero(count: string): string {
  return count === "0" ? count : `CASE WHEN ${count} > 0 THEN ${count} ELSE 0 END`;
}

/**
 * The text of one candidate: id, active, capacity, preferred, completed, failed, last assigned, whether it ended the last
 * attempt. Of unlimited length, because 64 of them together have up to 11,000 characters.
 *
 * @param row the alias of a row with these columns
 */
export function storeCandidate(row: string): string {
  const figures = ["max_concurrent_tasks", "preferred", "completed", "failed", "last_assigned_at", "ended"];
  return `CONCAT(CAST(${row}.agent_id AS varchar(max)), ',', ${row}.active_tasks, ',', ${figures.map((figure) => `${row}.${figure}`).join(", ',', ")}, ';')`;
}
