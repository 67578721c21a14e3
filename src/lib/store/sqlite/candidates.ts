import type { Exclusions } from "../../model/explanation.ts";
import { CANDIDATES_MAX } from "../../model/limits.ts";
import { expandCapabilities } from "../capabilities.ts";
import {
  CANDIDATE_ORDER,
  type Candidate,
  compareSortKeys,
  INDEX_ORDER,
  reliability,
  sortKeyOf,
} from "../rules/candidate-order.ts";
import { type AgentRow, agentByNo, hasFreeSlot } from "./agent-rows.ts";
import { capabilitiesOfSet } from "./capability-sets.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Who may take a task: at most 64 workers, found by seeking in the index of each capability set that meets the demand.
 * The cost depends on how many different sets meet it, not on how many agents there are.
 */

/** A capability set that meets a demand, with its workers: all, the active ones, those with a free slot. */
export interface MeetingSet {
  set_no: number;
  workers: number;
  active_workers: number;
  free_workers: number;
}

const SETS_OF_DEMAND = `SELECT c.set_no, c.workers, c.active_workers, c.free_workers
  FROM demand_sets s CROSS JOIN capability_sets c ON c.set_no = s.set_no WHERE s.demand_no = ?`;
const SET = "SELECT set_no, workers, active_workers, free_workers FROM capability_sets WHERE set_no = ?";

/** The sets that meet an interned demand. */
export function setsOfDemand(transaction: Transaction, demandNo: number): MeetingSet[] {
  return transaction.all<MeetingSet>(SETS_OF_DEMAND, demandNo);
}

/** The same for set numbers that the caller has found. */
export function setsByNo(transaction: Transaction, setNos: readonly number[]): MeetingSet[] {
  return setNos.flatMap((setNo) => transaction.all<MeetingSet>(SET, setNo));
}

/** What a task asks of its agent. */
export interface Wanted {
  sets: readonly MeetingSet[];
  preferred: readonly string[];
  /** The agent of the last attempt: the first choice where it suspended the task, otherwise the last. */
  lastAttempt: { agentNo: number; suspended: boolean } | undefined;
  /** The one agent that `assignTo` names. */
  named?: AgentRow | undefined;
}

/** A worker that was weighed. */
export interface WeighedWorker {
  /** Its row, which is the transaction's own: an assignment changes it, so explanations are written first. */
  agent: AgentRow;
  load: number;
  /** How many of the preferred capabilities it has. */
  preferred: number;
  reliability: number;
  lastAttempt: Candidate["lastAttempt"];
}

export interface Weighed {
  /** Best first. */
  considered: WeighedWorker[];
  excluded: Exclusions;
}

/** Weighs the workers that can take the task now; writes nothing. */
export function weigh(transaction: Transaction, wanted: Wanted): Weighed {
  const { named, lastAttempt } = wanted;
  const free = named === undefined ? freeWorkers(transaction, wanted) : namedIfFree(wanted.sets, named);
  const preferred = preferenceCounter(transaction, wanted.preferred);
  const considered = free
    .map((agent) => {
      const weighed = {
        agent,
        load: loadOf(agent),
        preferred: preferred(agent.set_no),
        reliability: reliability(agent),
        lastAttempt: agent.agent_no === lastAttempt?.agentNo ? (lastAttempt.suspended ? "suspended" : "ended") : "none",
      } as const;
      return { weighed, key: sortKeyOf(CANDIDATE_ORDER, candidateOf(agent, weighed)) };
    })
    .sort((a, b) => compareSortKeys(a.key, b.key))
    .map(({ weighed }) => weighed);
  const excluded =
    named === undefined
      ? exclusions(transaction, wanted.sets, free.length)
      : namedExclusions(transaction, wanted.sets, named);
  return { considered, excluded };
}

function candidateOf(
  { completed, failed, lost, last_assigned_at: lastAssignedAt, agent_id: agentId }: AgentRow,
  { load, preferred, lastAttempt }: Pick<WeighedWorker, "load" | "preferred" | "lastAttempt">,
): Candidate {
  return { lastAttempt, load, preferred, completed, failed, lost, lastAssignedAt, agentId };
}

/** The same as the column `load`, to the last bit: both divide two doubles. */
function loadOf(agent: AgentRow): number {
  return agent.active_tasks / agent.max_concurrent_tasks;
}

const FREE = `SELECT agent_no, load, last_assigned_at, agent_id FROM agents INDEXED BY agents_assignable
  WHERE set_no = ? AND role = 'worker' AND status = 'active' AND active_tasks < max_concurrent_tasks`;
/** Sets that one statement merges: each row passes through half of its arms. */
const SETS_PER_STATEMENT = 16;

/**
 * The best of some sets, merged by SQLite from their index entries as far as they are needed (a compound SELECT with
 * ORDER BY runs its arms as coroutines): numbers, as one text, because 64 result rows cost more than everything else in
 * an assignment. The limit is part of the text: SQLite plans anew whenever a bound one changes.
 */
function leastLoadedOf(transaction: Transaction, setNos: readonly number[]): AgentRow[] {
  const arms = setNos.map(() => FREE).join(" UNION ALL ");
  const sql = `SELECT group_concat(agent_no) AS nos FROM (${arms}
    ORDER BY load, last_assigned_at, agent_id LIMIT ${CANDIDATES_MAX})`;
  const nos: number[] = JSON.parse(`[${transaction.get<{ nos: string | null }>(sql, ...setNos)?.nos ?? ""}]`);
  return nos.map((agentNo) => agentByNo(transaction, agentNo));
}

/** The 64 free workers of all sets with the lowest (load, last assigned, id). */
function leastLoaded(transaction: Transaction, sets: readonly MeetingSet[]): AgentRow[] {
  const open = sets.filter((set) => set.free_workers > 0).map((set) => set.set_no);
  if (open.length === 0) return [];
  if (open.length <= SETS_PER_STATEMENT) return leastLoadedOf(transaction, open);
  const found: AgentRow[] = [];
  for (let from = 0; from < open.length; from += SETS_PER_STATEMENT) {
    found.push(...leastLoadedOf(transaction, open.slice(from, from + SETS_PER_STATEMENT)));
  }
  const keyed = found.map((agent) => ({ agent, key: sortKeyOf(INDEX_ORDER, unweighed(agent)) }));
  return keyed
    .sort((a, b) => compareSortKeys(a.key, b.key))
    .slice(0, CANDIDATES_MAX)
    .map(({ agent }) => agent);
}

function unweighed(agent: AgentRow): Candidate {
  return candidateOf(agent, { load: loadOf(agent), preferred: 0, lastAttempt: "none" });
}

/** The least loaded, and the agent that suspended the task wherever it stands among all. */
function freeWorkers(transaction: Transaction, { sets, lastAttempt }: Wanted): AgentRow[] {
  const free = leastLoaded(transaction, sets);
  if (lastAttempt?.suspended !== true || free.some(({ agent_no }) => agent_no === lastAttempt.agentNo)) return free;
  return [...free, ...namedIfFree(sets, agentByNo(transaction, lastAttempt.agentNo))];
}

function meets(sets: readonly MeetingSet[], agent: AgentRow): boolean {
  return sets.some((set) => set.set_no === agent.set_no);
}

function namedIfFree(sets: readonly MeetingSet[], agent: AgentRow): AgentRow[] {
  return hasFreeSlot(agent) && meets(sets, agent) ? [agent] : [];
}

function preferenceCounter(transaction: Transaction, preferred: readonly string[]): (setNo: number) => number {
  if (preferred.length === 0) return () => 0;
  const wanted = [...new Set(preferred)];
  const counts = new Map<number, number>();
  return (setNo) => {
    let count = counts.get(setNo);
    if (count === undefined) {
      const has = expandCapabilities(capabilitiesOfSet(transaction, setNo));
      count = wanted.filter((capability) => has.has(capability)).length;
      counts.set(setNo, count);
    }
    return count;
  };
}

/** Registered workers: a counter, so that nothing is scanned. It lacks what the current group has not committed yet. */
function totalWorkers(transaction: Transaction): number {
  const sql = "SELECT value FROM counters WHERE name = 'agents:role:worker'";
  return transaction.get<{ value: number }>(sql)?.value ?? 0;
}

function exclusions(transaction: Transaction, sets: readonly MeetingSet[], considered: number): Exclusions {
  let workers = 0;
  let active = 0;
  let free = 0;
  for (const set of sets) {
    workers += set.workers;
    active += set.active_workers;
    free += set.free_workers;
  }
  return {
    missingCapability: Math.max(0, totalWorkers(transaction) - workers),
    notActive: workers - active,
    noFreeSlot: active - free,
    beyondLimit: free - considered,
    notNamed: 0,
  };
}

/** Everyone but the named agent is out; it itself is out for the first reason that holds. */
function namedExclusions(transaction: Transaction, sets: readonly MeetingSet[], named: AgentRow): Exclusions {
  const isWorker = named.role === "worker" && named.status !== "deregistered";
  const lacks = isWorker && !meets(sets, named);
  const idle = isWorker && !lacks && named.status !== "active";
  const full = isWorker && !lacks && !idle && !hasFreeSlot(named);
  return {
    missingCapability: Number(lacks),
    notActive: Number(idle),
    noFreeSlot: Number(full),
    beyondLimit: 0,
    notNamed: Math.max(0, totalWorkers(transaction) - Number(isWorker)),
  };
}
