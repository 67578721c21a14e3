/**
 * Which of the workers that could take a task gets it. The rule of both engines: SQLite compares with it, and a test finds it
 * word for word in the procedures of Azure SQL (parts/weigh.sql).
 */

/** A worker as it is compared. */
export interface Candidate {
  /** `ended`: any other that fits comes first; `suspended`: it comes first. */
  lastAttempt: "suspended" | "none" | "ended";
  /** activeTasks / maxConcurrentTasks */
  load: number;
  /** How many of the preferred capabilities it has. */
  preferred: number;
  /** Attempts that it has completed, has failed, and has lost by silence or timeout; released ones do not weigh. */
  completed: number;
  failed: number;
  lost: number;
  /** Milliseconds since 1970; 0: never. */
  lastAssignedAt: number;
  agentId: string;
}

interface Criterion {
  name: string;
  /** What is compared; where two are equal, the next criterion decides. */
  of: (candidate: Candidate) => number | string | boolean;
  first: "smallest" | "largest";
  /** The same in T-SQL, of the row with that alias. */
  sql: (alias: string) => string;
}

/** (completed + 1) / (completed + failed + lost + 1): who has done nothing yet counts as reliable. */
export function reliability({ completed, failed, lost }: Pick<Candidate, "completed" | "failed" | "lost">): number {
  return (completed + 1) / (completed + failed + lost + 1);
}

const LOAD: Criterion = { name: "load", of: ({ load }) => load, first: "smallest", sql: (alias) => `${alias}.load` };
const LAST_ASSIGNED: Criterion = {
  name: "least recently assigned",
  of: ({ lastAssignedAt }) => lastAssignedAt,
  first: "smallest",
  sql: (alias) => `${alias}.last_assigned_at`,
};
const ID: Criterion = {
  name: "id",
  of: ({ agentId }) => agentId,
  first: "smallest",
  sql: (alias) => `${alias}.agent_id`,
};

/** In which order an index gives workers: of more than 64, those behind are not considered. */
export const INDEX_ORDER: readonly Criterion[] = [LOAD, LAST_ASSIGNED, ID];

const LAST_ATTEMPT = { suspended: -1, none: 0, ended: 1 } as const;

/** In which order the considered ones are chosen. */
export const CANDIDATE_ORDER: readonly Criterion[] = [
  {
    name: "the agent that suspended the task; not the agent whose attempt just ended",
    of: ({ lastAttempt }) => LAST_ATTEMPT[lastAttempt],
    first: "smallest",
    // 2 for an agent that suspended, as it is stored.
    sql: (alias) => `CASE ${alias}.ended WHEN 2 THEN -1 ELSE ${alias}.ended END`,
  },
  LOAD,
  {
    name: "most preferred capabilities",
    of: ({ preferred }) => preferred,
    first: "largest",
    sql: (alias) => `${alias}.preferred`,
  },
  {
    name: "most reliable",
    of: reliability,
    first: "largest",
    sql: (alias) =>
      `(${alias}.completed + CAST(1 AS float)) / (${alias}.completed + ${alias}.failed + ${alias}.lost + 1)`,
  },
  LAST_ASSIGNED,
  ID,
];

/** What an order compares of a candidate, each value so that the smallest comes first: read once, compared often. */
export type SortKey = readonly (number | string)[];

export function sortKeyOf(order: readonly Criterion[], candidate: Candidate): SortKey {
  return order.map(({ of, first }) => {
    const value = of(candidate);
    if (typeof value === "string") return value;
    return first === "largest" ? -Number(value) : Number(value);
  });
}

/** Below 0 when `a` comes first. Ids are compared code unit by code unit: they are ASCII, which both databases compare so. */
export function compareSortKeys(a: SortKey, b: SortKey): number {
  for (let place = 0; place < a.length; place += 1) {
    const [x, y] = [a[place] ?? 0, b[place] ?? 0];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** The ORDER BY list of T-SQL. */
export function orderSql(order: readonly Criterion[], alias: string): string {
  return order.map(({ sql, first }) => `${sql(alias)}${first === "largest" ? " DESC" : ""}`).join(", ");
}
