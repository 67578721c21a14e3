import type { Agent } from "../../model/agent.ts";
import { actorOf } from "../../trace/call-context.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { ListAgents, Paged } from "../store.ts";
import { type AgentRow, readAgent } from "./agent-rows.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

const BY_ID = procedure("get_agent");

/** @throws AGENT_NOT_FOUND */
export async function getAgent(connection: Connection, agentId: string): Promise<Agent> {
  const [row] = (await connection.query(BY_ID, { agentId: id(agentId) })).rows<AgentRow>(0);
  if (row === undefined) throw agentNotFound(agentId);
  return readAgent(row);
}

const LIST = procedure("list_agents");

/** By id. Each filter has an index in the order of the list; the rarer ones are checked on its rows. */
export async function listAgents(connection: Connection, query: ListAgents): Promise<Paged<Agent>> {
  const { role, capability, status, registered = false, matesOf, limit } = query;
  const filters = { list: "agents", role, capability, status, registered, matesOf };
  const after = String(decodeCursor(filters, query.cursor, "text")?.[0] ?? BEFORE_AGENTS);
  const result = await connection.query(LIST, {
    role: word(role ?? null),
    status: word(status ?? null),
    capability: id(capability ?? null),
    registered: int(Number(registered)),
    matesOf: id(matesOf ?? null),
    rows: int(limit + 1),
    after: id(after),
  });
  const rows = result.rows<AgentRow>(0);
  return takePage(rows, limit, readAgent, (last) => encodeCursor(filters, [last.agent_id]));
}

/** `last`: it holds no more tasks than one transaction takes back. An agent with more drains until then. */
const DEREGISTER_SQL = procedure("deregister_agents");

const DEREGISTER: Batch<string, { agent: Agent; unfinished: boolean }> = {
  name: "deregister-agents",
  sql: DEREGISTER_SQL,
  encode: (agentId) => ({ agentId, actor: actorOf(agentId) }),
  decode(result, agentIds) {
    const rows = result.byItem<AgentRow & { item: number }>(1);
    const outcomes = outcomeRows<OutcomeRow & { unfinished: number }>(result, agentIds);
    return outcomes.map(({ item, code, unfinished }, position) => {
      const row = rows.get(item)?.[0];
      if (code !== null || row === undefined) return { refusal: agentNotFound(agentIds[position] ?? "") };
      return { value: { agent: readAgent(row), unfinished: unfinished === 1 } };
    });
  },
  // Each gives back RELEASES_PER_TRANSACTION tasks.
  maxItems: 10,
  conflictKey: (agentId) => agentId,
};

/**
 * Releases its tasks without using a retry; repeating it changes nothing. In as many transactions as its tasks take: until
 * the last one it reads as draining. Cut off in between, it is so until it deregisters again, or falls silent.
 *
 * @throws AGENT_NOT_FOUND
 */
export async function deregisterAgent(connection: Connection, agentId: string): Promise<Agent> {
  for (;;) {
    const { agent, unfinished } = await connection.run(DEREGISTER, agentId);
    if (!unfinished) return agent;
  }
}

export { heartbeat } from "./heartbeats.ts";
export { registerAgent } from "./register-agent.ts";
