import type { Agent, ListAgentsQuery } from "../../agents/agent.ts";
import { HANDOUTS_PER_CALL } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentNotFound } from "../refusals.ts";
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
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { DECLARE_RELEASE, RELEASE_TASKS } from "./release-tasks.ts";
import { DECLARE_ENDING_NEEDS, DECLARE_ENDINGS } from "./task-endings.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { APPLY_COUNTS, BIN2, ID, PROLOGUE, SELECT_DELIVERABLE } from "./transaction.ts";

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
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(readAgent),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(filters, [last.agent_id]) : null,
  };
}

const DEREGISTER_SQL = sqlText(
  "deregister-agents",
  `${PROLOGUE}${DECLARE_HAND_OUT}${DECLARE_STATUS_CHANGES}${DECLARE_RELEASE}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}
DECLARE @leaving TABLE (agent_no int NOT NULL, item int NOT NULL, actor ${ID} NOT NULL, PRIMARY KEY (agent_no, item));
DECLARE @released TABLE (agent_no int NOT NULL PRIMARY KEY, actor ${ID} NULL);
INSERT INTO @leaving (agent_no, item, actor)
SELECT COALESCE(a.agent_no, 0), j.item, j.actor
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', actor varchar(128)) AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2};
INSERT INTO @released (agent_no, actor)
SELECT a.agent_no, x.actor FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no WHERE a.status <> 'deregistered';
IF @@ROWCOUNT > 0
BEGIN
  SET @releaseOutcome = 'released';
  ${statusChangesOf("@released", { becomes: "'deregistered'", actor: "x.actor" })}
  BEGIN TRANSACTION;
  ${CHANGE_STATUS}${RELEASE_TASKS}${APPLY_COUNTS}COMMIT TRANSACTION;
  SET @handOutLimit = ${HANDOUTS_PER_CALL} * @statusChanges;
  ${HAND_OUT}
END;
SELECT x.item, CASE WHEN x.agent_no = 0 THEN 'AGENT_NOT_FOUND' END AS code, NULL AS subject FROM @leaving AS x;
${SELECT_DELIVERABLE}SELECT x.item, ${AGENT_COLUMNS}
FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no
${AGENT_JOINS};
`,
);

const DEREGISTER: Batch<string, Agent> = {
  name: "deregister-agents",
  sql: DEREGISTER_SQL,
  encode: (agentId) => ({ agentId, actor: actorOf(agentId) }),
  decode(result, agentIds) {
    const rows = result.byItem<AgentRow & { item: number }>(2);
    return outcomeRows<OutcomeRow>(result, agentIds).map(({ item, code }, position) => {
      const row = rows.get(item)?.[0];
      if (code !== null || row === undefined) return { refusal: agentNotFound(agentIds[position] ?? "") };
      return { value: readAgent(row) };
    });
  },
  // Each may hold 10,000 tasks.
  maxItems: 10,
  conflictKey: (agentId) => agentId,
  wakes: true,
};

/** Releases its tasks without using a retry; repeating it changes nothing. @throws AGENT_NOT_FOUND */
export function deregisterAgent(connection: Connection, agentId: string): Promise<Agent> {
  return connection.run(DEREGISTER, agentId);
}

export { heartbeat } from "./heartbeats.ts";
export { registerAgent } from "./register-agent.ts";
