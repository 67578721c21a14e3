import { actorOf } from "../../security/call-context.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import { leaseLost, type TaskCaller, taskNotFound } from "../task-records.ts";
import type { Outcome } from "./batch.ts";
import { BIN2, BY_KEY, ID, WORD } from "./transaction.ts";

/**
 * What the four calls of an agent about its task have in common: who calls, and why it is refused. (Apart from
 * task-transitions.ts, which would be too long; the embedded store reads row by row and needs less of it.)
 */

/** A call about a task: the body names the agent and its attempt. */
export interface Call<Body extends TaskCaller> {
  taskId: string;
  body: Body;
}

/** What is not refused and has not been answered before. */
export const ACCEPTED = "c.code IS NULL AND c.answer IS NULL";

/** What a verb reads of a call beside the caller. */
interface Fields {
  /** Names with their types. */
  short?: { [name: string]: string };
  /** Names with how itemText or itemJson sent them; read apart, for some servers cut what OPENJSON … WITH reads at 4,000. */
  long?: { [name: string]: (column: string) => string };
}

/**
 * @calls: the calls, each with the task and the caller as they are, and why it is refused. `answer`: what a call that ends
 * an attempt was answered the first time, if this is its repeat: the same agent, attempt and outcome, and the task not
 * assigned again since. `inactive`: the caller had fallen silent, and this task has not been taken back yet. (An attempt that was called off counts as failed when its agent said so.) Fills @callers.
 *
 * @param outcomes of an attempt that the verb's repeat may meet
 */
export function readCalls({ short = {}, long = {} }: Fields, outcomes: readonly string[] = []): string {
  const columns = [...Object.keys(short), ...Object.keys(long)].map((name) => `, ${name}`).join("");
  const types = Object.entries(short).map(([name, type]) => `, ${name} ${type}`);
  const declared = [...types, ...Object.keys(long).map((name) => `, ${name} nvarchar(max)`)].map(
    (type) => `${type} NULL`,
  );
  const values = [
    ...Object.keys(short).map((name) => `, i.${name}`),
    ...Object.entries(long).map(([name, read]) => `, ${read(`i.${name}`)}`),
  ];
  const repeats = outcomes.length > 0;
  return `DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id ${ID} NOT NULL, code ${WORD} NULL, answer nvarchar(200) NULL,
  task_no bigint NULL, status ${WORD} NULL, agent_no int NULL, attempt int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, available_at bigint NULL, retries_used int NULL, max_retries int NULL, actor ${ID} NOT NULL,
  inactive bit NOT NULL${declared.join("")});
INSERT INTO @calls (item, task_id, code, answer, task_no, status, agent_no, attempt, cancel_requested, deadline_at, assigned_at,
  available_at, retries_used, max_retries, actor, inactive${columns})
SELECT i.item, i.task_id, CASE${repeats ? "\n  WHEN p.answer IS NOT NULL THEN NULL" : ""}
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
    THEN 'LEASE_LOST' END,
  ${repeats ? "p.answer" : "NULL"}, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, t.assigned_at, t.available_at,
  t.retries_used, t.max_retries, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END${values.join("")}
FROM (${itemsOf(types, Object.keys(long))}) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id${repeats ? answersOf(outcomes) : ""}
${BY_KEY};
INSERT INTO @callers (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE ${ACCEPTED};
`;
}

function itemsOf(types: readonly string[], long: readonly string[]): string {
  const columns = types.map((type) => `, j.${type.split(" ")[1]}`);
  const values = long.map((name) => `, ${name}.value AS ${name}`);
  const applied = long.map(
    (name) => `\n  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = '${name}') AS ${name}`,
  );
  return `SELECT j.item, j.task_id ${BIN2} AS task_id, j.agent_id ${BIN2} AS agent_id, j.actor,
    j.attempt${columns.join("")}${values.join("")}
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int${types.join("")}) AS j${applied.join("")}`;
}

function answersOf(outcomes: readonly string[]): string {
  return `
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = i.attempt AND p.agent_no = a.agent_no
  AND p.outcome IN (${outcomes.map((outcome) => `'${outcome}'`).join(", ")})
  AND t.attempt = i.attempt AND t.status NOT IN ('assigned', 'running') AND a.status <> 'deregistered'`;
}

/** @returns the refusal of a code that `readCalls` gives */
export function refusal(code: string, { taskId, body }: Call<TaskCaller>): Outcome<never> {
  if (code === "TASK_NOT_FOUND") return { refusal: taskNotFound(taskId) };
  if (code === "AGENT_NOT_FOUND") return { refusal: agentNotFound(body.agentId) };
  if (code === "AGENT_DEREGISTERED") return { refusal: agentDeregistered(body.agentId) };
  return { refusal: leaseLost(taskId, body) };
}

export function encodeCaller({ taskId, body }: Call<TaskCaller>): {
  task_id: string;
  agent_id: string;
  actor: string;
  attempt: number;
} {
  return { task_id: taskId, agent_id: body.agentId, actor: actorOf(body.agentId), attempt: body.attempt };
}
