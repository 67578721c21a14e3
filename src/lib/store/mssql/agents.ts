import type { Agent, ListAgentsQuery } from "../../agents/agent.ts";
import { HANDOUTS_PER_CALL, RELEASES_PER_TRANSACTION } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import {
  AGENT_COLUMNS,
  AGENT_JOINS,
  type AgentRow,
  CHANGE_STATUS,
  DECLARE_STATUS_CHANGES,
  readAgent,
  statusChangesOf,
} from "./agent-rows.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows, word } from "./batch.ts";
import { LEAVE_SETS } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { DECLARE_RELEASE, RELEASE_TASKS } from "./release-tasks.ts";
import { DECLARE_ENDING_NEEDS, DECLARE_ENDINGS } from "./task-endings.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { APPLY_COUNTS, BIN2, ID, LOSE_RACE, PROLOGUE, SELECT_DELIVERABLE } from "./transaction.ts";

const BY_ID = sqlText(
  "get-agent",
  `SELECT ${AGENT_COLUMNS} FROM dbo.agents AS a
${AGENT_JOINS}
WHERE a.agent_id = @agentId;
`,
);

/** @throws AGENT_NOT_FOUND */
export async function getAgent(connection: Connection, agentId: string): Promise<Agent> {
  const [row] = (await connection.query(BY_ID, { agentId: id(agentId) })).rows<AgentRow>(0);
  if (row === undefined) throw agentNotFound(agentId);
  return readAgent(row);
}

type AgentFilters = Pick<ListAgentsQuery, "role" | "capability" | "status">;

const CONDITIONS: Readonly<Record<keyof AgentFilters, string>> = {
  role: "AND a.role = @role",
  status: "AND a.status = @status",
  capability: "AND a.set_no IN (SELECT s.set_no FROM dbo.set_capabilities AS s WHERE s.capability = @capability)",
};
const FILTERS: readonly (keyof AgentFilters)[] = ["role", "status", "capability"];

/** Which filters a query has, as the name of its text. */
function filtersOf(query: AgentFilters): string {
  return FILTERS.filter((filter) => query[filter] !== undefined).join(" ");
}

/** A text for each set of filters, so that each has the plan of its index. */
const LISTS: ReadonlyMap<string, SqlText> = new Map(
  Array.from({ length: 2 ** FILTERS.length }, (_, subset) => {
    const filters = FILTERS.filter((_, position) => subset & (2 ** position));
    const conditions = filters.map((filter) => CONDITIONS[filter]).join(" ");
    const sql = `SELECT TOP (@rows) ${AGENT_COLUMNS} FROM dbo.agents AS a
${AGENT_JOINS}
WHERE a.agent_id > @after ${conditions}
ORDER BY a.agent_id;
`;
    return [filters.join(" "), sqlText(`list-agents ${filters.join(" ")}`, sql)];
  }),
);

/** By id. Each filter has an index in the order of the list; the rarer ones are checked on its rows. */
export async function listAgents(connection: Connection, query: Page & AgentFilters): Promise<Paged<Agent>> {
  const { role, capability, status, limit } = query;
  const filters = { list: "agents", role, capability, status };
  const after = String(decodeCursor(filters, query.cursor)?.[0] ?? BEFORE_AGENTS);
  const sql = LISTS.get(filtersOf(query));
  if (sql === undefined) throw new Error("a list of agents without a text");
  const result = await connection.query(sql, {
    rows: int(limit + 1),
    after: id(after),
    ...(role !== undefined && { role: word(role) }),
    ...(status !== undefined && { status: word(status) }),
    ...(capability !== undefined && { capability: id(capability) }),
  });
  const rows = result.rows<AgentRow>(0);
  return takePage(rows, limit, readAgent, (last) => encodeCursor(filters, [last.agent_id]));
}

/** `last`: it holds no more tasks than one transaction takes back. An agent with more drains until then. */
const DEREGISTER_SQL = sqlText(
  "deregister-agents",
  `${PROLOGUE}${DECLARE_HAND_OUT}${DECLARE_STATUS_CHANGES}${DECLARE_RELEASE}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}
DECLARE @leaving TABLE (agent_no int NOT NULL, item int NOT NULL, actor ${ID} NOT NULL, PRIMARY KEY (agent_no, item));
DECLARE @released TABLE (agent_no int NOT NULL PRIMARY KEY, actor ${ID} NULL, last bit NOT NULL);
INSERT INTO @leaving (agent_no, item, actor)
SELECT COALESCE(a.agent_no, 0), j.item, j.actor
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', actor varchar(128)) AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2};
INSERT INTO @released (agent_no, actor, last)
SELECT a.agent_no, x.actor, CASE WHEN l.active_tasks <= ${RELEASES_PER_TRANSACTION} THEN 1 ELSE 0 END
FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
WHERE a.status <> 'deregistered';
IF @@ROWCOUNT > 0
BEGIN
  SET @releaseOutcome = 'released';
  ${statusChangesOf("@released", { becomes: "CASE WHEN x.last = 1 THEN 'deregistered' ELSE 'draining' END", actor: "x.actor" })}
  BEGIN TRANSACTION;
  ${CHANGE_STATUS}${RELEASE_TASKS}-- One more was assigned since its tasks were counted.
  IF EXISTS (SELECT 1 FROM @released AS r JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no
    WHERE r.last = 1 AND l.active_tasks > 0)
${LOSE_RACE}  ${APPLY_COUNTS}COMMIT TRANSACTION;
  ${LEAVE_SETS}  SET @handOutLimit = ${HANDOUTS_PER_CALL} * @statusChanges;
  ${HAND_OUT}
END;
SELECT x.item, CASE WHEN x.agent_no = 0 THEN 'AGENT_NOT_FOUND' END AS code, NULL AS subject,
  CASE WHEN EXISTS (SELECT 1 FROM @released AS r WHERE r.agent_no = x.agent_no AND r.last = 0) THEN 1 ELSE 0 END AS unfinished
FROM @leaving AS x;
${SELECT_DELIVERABLE}SELECT x.item, ${AGENT_COLUMNS}
FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no
${AGENT_JOINS};
`,
);

const DEREGISTER: Batch<string, { agent: Agent; unfinished: boolean }> = {
  name: "deregister-agents",
  sql: DEREGISTER_SQL,
  encode: (agentId) => ({ agentId, actor: actorOf(agentId) }),
  decode(result, agentIds) {
    const rows = result.byItem<AgentRow & { item: number }>(2);
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
  wakes: true,
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
