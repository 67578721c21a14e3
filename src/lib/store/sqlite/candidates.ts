import { CANDIDATES_MAX } from "../../limits.ts";
import type { Exclusions } from "../../tasks/task.ts";
import { type AgentRow, agentByNo, hasFreeSlot } from "./agent-rows.ts";
import { capabilitiesOfSet, expandCapabilities } from "./capability-sets.ts";
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
  /** The agent whose attempt just ended: taken only if nobody else fits. */
  endedBy: number | null;
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
  endedLastAttempt: boolean;
}

export interface Weighed {
  /** Best first. */
  considered: WeighedWorker[];
  excluded: Exclusions;
}

/** Weighs the workers that can take the task now; writes nothing. */
export function weigh(transaction: Transaction, wanted: Wanted): Weighed {
  const { named } = wanted;
  const free = named === undefined ? leastLoaded(transaction, wanted.sets) : namedIfFree(wanted.sets, named);
  const preferred = preferenceCounter(transaction, wanted.preferred);
  const considered = free.map((agent) => ({
    agent,
    load: loadOf(agent),
    preferred: preferred(agent.set_no),
    reliability: (agent.completed + 1) / (agent.completed + agent.failed + 1),
    endedLastAttempt: agent.agent_no === wanted.endedBy,
  }));
  considered.sort(byPreference);
  const excluded =
    named === undefined
      ? exclusions(transaction, wanted.sets, free.length)
      : namedExclusions(transaction, wanted.sets, named);
  return { considered, excluded };
}

/** Not who just ended an attempt, lowest load, most preferred capabilities, most reliable, least recently assigned, id. */
function byPreference(a: WeighedWorker, b: WeighedWorker): number {
  return (
    Number(a.endedLastAttempt) - Number(b.endedLastAttempt) ||
    a.load - b.load ||
    b.preferred - a.preferred ||
    b.reliability - a.reliability ||
    a.agent.last_assigned_at - b.agent.last_assigned_at ||
    (a.agent.agent_id < b.agent.agent_id ? -1 : 1)
  );
}

/** The same as the column `load`, to the last bit: both divide two doubles. */
function loadOf(agent: AgentRow): number {
  return agent.active_tasks / agent.max_concurrent_tasks;
}

const FREE = `SELECT agent_no FROM agents INDEXED BY agents_assignable
  WHERE role = 'worker' AND status = 'active' AND active_tasks < max_concurrent_tasks`;
const ORDER = "ORDER BY load, last_assigned_at, agent_id";

/**
 * The first free workers of each set: numbers, as one JSON text, from the index alone, because result rows cost more
 * than everything else in an assignment. The limit is part of the text: SQLite plans anew whenever a bound one changes.
 */
function firstOfSets(transaction: Transaction, setNos: readonly number[], limit: number): number[][] {
  const ofSet = `SELECT json_group_array(agent_no) FROM (${FREE} AND set_no = s.value ${ORDER} LIMIT ${limit})`;
  const sql = `SELECT json_group_array(json((${ofSet}))) AS nos FROM json_each(?) s`;
  return JSON.parse(transaction.get<{ nos: string }>(sql, JSON.stringify(setNos))?.nos ?? "[]");
}

function nextOfSet(transaction: Transaction, after: AgentRow, limit: number): number[] {
  const beyond = "AND set_no = ? AND (load, last_assigned_at, agent_id) > (?, ?, ?)";
  const sql = `SELECT json_group_array(agent_no) AS nos FROM (${FREE} ${beyond} ${ORDER} LIMIT ${limit})`;
  const { set_no, last_assigned_at, agent_id } = after;
  const row = transaction.get<{ nos: string }>(sql, set_no, loadOf(after), last_assigned_at, agent_id);
  return JSON.parse(row?.nos ?? "[]");
}

/** One set's free workers, read a few at a time. */
interface Stream {
  nos: number[];
  next: number;
  head: AgentRow;
}

function earlier(a: AgentRow, b: AgentRow): boolean {
  const order = loadOf(a) - loadOf(b) || a.last_assigned_at - b.last_assigned_at;
  return order === 0 ? a.agent_id < b.agent_id : order < 0;
}

/** The 64 free workers of all sets with the lowest (load, last assigned, id): the sets' streams, merged head by head. */
function leastLoaded(transaction: Transaction, sets: readonly MeetingSet[]): AgentRow[] {
  const open = sets.filter((set) => set.free_workers > 0).map((set) => set.set_no);
  if (open.length === 0) return [];
  // Twice its share from each set, so that few have to be asked again.
  const chunk = open.length === 1 ? CANDIDATES_MAX : Math.ceil(CANDIDATES_MAX / open.length) * 2;
  const firsts = firstOfSets(transaction, open, chunk);
  if (open.length === 1) return (firsts[0] ?? []).map((agentNo) => agentByNo(transaction, agentNo));
  // Worst first, so that the best is popped from the end.
  const streams: Stream[] = [];
  for (const nos of firsts) {
    if (nos[0] !== undefined) streams.push({ nos, next: 1, head: agentByNo(transaction, nos[0]) });
  }
  streams.sort((a, b) => (earlier(a.head, b.head) ? 1 : -1));
  const found: AgentRow[] = [];
  while (found.length < CANDIDATES_MAX) {
    const best = streams.pop();
    if (best === undefined) break;
    found.push(best.head);
    if (found.length < CANDIDATES_MAX && advance(transaction, best, chunk)) reinsert(streams, best);
  }
  return found;
}

/** Moves to the next worker of the set. @returns whether there is one */
function advance(transaction: Transaction, stream: Stream, chunk: number): boolean {
  if (stream.next === stream.nos.length) {
    if (stream.nos.length < chunk) return false;
    stream.nos = nextOfSet(transaction, stream.head, chunk);
    stream.next = 0;
  }
  const agentNo = stream.nos[stream.next];
  if (agentNo === undefined) return false;
  stream.head = agentByNo(transaction, agentNo);
  stream.next += 1;
  return true;
}

function reinsert(streams: Stream[], stream: Stream): void {
  let low = 0;
  let high = streams.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = streams[middle];
    if (other !== undefined && earlier(stream.head, other.head)) low = middle + 1;
    else high = middle;
  }
  streams.splice(low, 0, stream);
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
