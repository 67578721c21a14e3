import { HANDOUTS_PER_CALL, HANDOUTS_PER_TRANSACTION } from "../../model/limits.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../model/values.ts";
import { type AgentRow, agentByNo, hasFreeSlot } from "./agent-rows.ts";
import { giveToBest } from "./assignment.ts";
import { type TaskRow, taskByNo } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Handing out waiting tasks in rank order: availableAt − headStart(priority), then the order of creation. Waiting tasks
 * are found in streams, one per demand (or named agent) and priority, whose heads are merged by rank. The cost grows with
 * the different demands that wait and that the agent meets, not with the tasks that wait.
 */

/** Where to look for waiting tasks. */
export interface Waiting {
  demandNos: Iterable<number>;
  /** Agents that tasks may name. */
  namedNos: Iterable<number>;
}

interface Head {
  task_no: number;
  rank: number;
}

/** What a demand's or a named agent's tasks of one priority are taken from. */
interface Stream {
  /** Streams of one source are dropped together: who cannot take one of its tasks can take none. */
  source: string;
  read(): Head | undefined;
  head: Head;
}

const DEMANDS_OF_SET = `SELECT s.demand_no FROM demand_sets s INDEXED BY demand_sets_by_set
  CROSS JOIN demands d ON d.demand_no = s.demand_no WHERE s.set_no = ? AND d.waiting > 0`;

/** Hands out at most ten of the tasks that a freed slot or the arrival of the agent lets somebody take. @returns how many */
export function handOutToAgent(transaction: Transaction, agent: AgentRow): number {
  return handOutAfter(transaction, agent, []);
}

/**
 * Hands out after a call that freed a slot of `agent` or unblocked tasks: ten, or as many as it has unblocked, those beyond a hundred
 * in further transactions. One is some 50 µs; a commit more for every ten of them was a tenth of a fan of 50.
 *
 * @param agent the caller's row; it shows what was assigned to it
 */
export function handOutAfter(
  transaction: Transaction,
  agent: AgentRow | undefined,
  unblocked: readonly TaskRow[],
): number {
  const waiting = { demandNos: new Set<number>(), namedNos: new Set<number>() };
  for (const task of unblocked) {
    if (task.assign_to_no === null) waiting.demandNos.add(task.demand_no);
    else waiting.namedNos.add(task.assign_to_no);
  }
  return handOutRound(transaction, agent, waiting, unblocked.length);
}

/** @param left of the tasks that the call has unblocked, those that earlier rounds have not made up for */
function handOutRound(
  transaction: Transaction,
  agent: AgentRow | undefined,
  unblocked: { demandNos: ReadonlySet<number>; namedNos: ReadonlySet<number> },
  left: number,
): number {
  const demandNos = new Set(unblocked.demandNos);
  const namedNos = new Set(unblocked.namedNos);
  if (agent !== undefined && hasFreeSlot(agent)) {
    const rows = transaction.all<{ demand_no: number }>(DEMANDS_OF_SET, agent.set_no);
    for (const row of rows) demandNos.add(row.demand_no);
    namedNos.add(agent.agent_no);
  }
  const limit = Math.max(HANDOUTS_PER_CALL, Math.min(left, HANDOUTS_PER_TRANSACTION));
  const handedOut = handOut(transaction, { demandNos, namedNos }, limit, agent);
  if (handedOut === limit && left > limit) {
    transaction.goOn((next) => void handOutRound(next, undefined, unblocked, left - limit));
  }
  return handedOut;
}

/** Hands out waiting tasks in rank order until nobody can take any, or `limit` are handed out. @returns how many */
export function handOut(transaction: Transaction, waiting: Waiting, limit: number, known?: AgentRow): number {
  // One row per agent in a transition: two copies would overwrite each other's changes.
  const agents = new Map<number, AgentRow>();
  if (known !== undefined) agents.set(known.agent_no, known);
  const agentOf = (agentNo: number): AgentRow => {
    const agent = agents.get(agentNo) ?? agentByNo(transaction, agentNo);
    agents.set(agentNo, agent);
    return agent;
  };
  let streams = openStreams(transaction, waiting, agentOf);
  let handedOut = 0;
  while (handedOut < limit) {
    const best = lowest(streams);
    if (best === undefined) break;
    if (!giveToBest(transaction, taskByNo(transaction, best.head.task_no), agentOf)) {
      streams = streams.filter((stream) => stream.source !== best.source);
      continue;
    }
    handedOut += 1;
    const head = best.read();
    if (head === undefined) streams.splice(streams.indexOf(best), 1);
    else best.head = head;
  }
  return handedOut;
}

function lowest(streams: readonly Stream[]): Stream | undefined {
  let best: Stream | undefined;
  for (const stream of streams) {
    if (best === undefined || before(stream.head, best.head)) best = stream;
  }
  return best;
}

function before(a: Head, b: Head): boolean {
  return a.rank === b.rank ? a.task_no < b.task_no : a.rank < b.rank;
}

const OF_DEMAND = `SELECT task_no, available_at FROM tasks INDEXED BY tasks_waiting
  WHERE demand_no = ? AND priority = ? AND status = 'pending' AND assign_to_no IS NULL AND available_at <= ?
  ORDER BY available_at, task_no LIMIT 1`;
/** Of the tasks that name an agent, the first that its capabilities meet. */
const OF_AGENT = `SELECT task_no, available_at FROM tasks INDEXED BY tasks_waiting_for_agent
  WHERE assign_to_no = ? AND priority = ? AND status = 'pending' AND available_at <= ?
    AND EXISTS (SELECT 1 FROM demand_sets s WHERE s.demand_no = tasks.demand_no AND s.set_no = ?)
  ORDER BY available_at, task_no LIMIT 1`;

function openStreams(transaction: Transaction, waiting: Waiting, agentOf: (agentNo: number) => AgentRow): Stream[] {
  const streams: Stream[] = [];
  const open = (source: string, read: (priority: number) => { task_no: number; available_at: number } | undefined) => {
    for (const [priority, name] of PRIORITIES.entries()) {
      const readHead = (): Head | undefined => {
        const row = read(priority);
        return row && { task_no: row.task_no, rank: row.available_at - HEAD_START_MILLISECONDS[name] };
      };
      const head = readHead();
      if (head !== undefined) streams.push({ source, read: readHead, head });
    }
  };
  const { now } = transaction;
  for (const demandNo of waiting.demandNos) {
    open(`demand ${demandNo}`, (priority) => transaction.get(OF_DEMAND, demandNo, priority, now));
  }
  for (const agentNo of waiting.namedNos) {
    const agent = agentOf(agentNo);
    if (!hasFreeSlot(agent)) continue;
    open(`agent ${agentNo}`, (priority) => transaction.get(OF_AGENT, agentNo, priority, now, agent.set_no));
  }
  return streams;
}
