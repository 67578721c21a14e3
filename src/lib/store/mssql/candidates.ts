import { CANDIDATES_MAX } from "../../limits.ts";
import { storeCandidate, storeExplanation } from "./explanations.ts";
import { BIN2, ID, WORD } from "./transaction.ts";

/**
 * Who may take a task: at most 64 workers, found by seeking in the index of each capability set that meets the demand.
 * The cost depends on how many different sets meet it, not on how many agents there are.
 */

/**
 * Columns of the table variable that a batch plans in, one row a task, beside its key `place`. `becomes` is what the row of the task is written
 * as; NULL: to be weighed. `agent_no`, `set_no` and `fills` (1: it takes the agent's last slot) are what `weigh` chose,
 * `receiver_no`, `message_type` and `payload` the message that goes with it.
 */
export const PLAN_COLUMNS = `task_no bigint NOT NULL, task_id ${ID} NOT NULL, task_type ${ID} NOT NULL, priority tinyint NOT NULL,
  demand_no int NULL, named_no int NULL, attempt int NOT NULL, timeout_milliseconds bigint NOT NULL, preferred nvarchar(max) NULL,
  becomes ${WORD} NULL, agent_no int NULL, set_no int NULL, fills int NULL, explanation varchar(max) NULL,
  receiver_no int NULL, message_type ${WORD} NULL, payload varchar(max) NULL`;

/**
 * What a task asks of its agent, for `weigh`: the demand; the one agent that it names, if any; whose attempt just ended;
 * the preferred capabilities, each once, as a JSON array (NULL: none). And what comes of it: the best agent (NULL: nobody), its set, 1
 * when this task takes its last slot, and the explanation. `@picks`: tasks of this batch that have been given an agent.
 */
export const DECLARE_WEIGHING = `DECLARE @demandNo int, @namedNo int, @endedByNo int, @preferred nvarchar(max), @picks int = 0;
DECLARE @chosenNo int, @chosenSetNo int, @chosenFills int, @explanation varchar(max);
`;

/** The sets that meet an interned demand: the column set_no of `s`. */
export const SETS_OF_DEMAND = "(SELECT d.set_no FROM dbo.demand_sets AS d WHERE d.demand_no = @demandNo) AS s";

/**
 * Weighs the workers that can take the task now, and chooses. One statement, so that it sees one state; it writes nothing.
 * What the batch has given out already counts as taken, so that the tasks of one transaction are weighed one after the
 * other, as if each were alone.
 *
 * @param plan the table variable of the batch's tasks: agent_no, set_no and fills of those that have been given an agent
 * @param sets which capability sets meet the demand, as SETS_OF_DEMAND
 */
export function weigh(plan: string, sets: string = SETS_OF_DEMAND): string {
  return `IF @namedNo IS NULL
BEGIN
${weighAnyone(sets, plan)}END;
ELSE
BEGIN
${weighNamed(sets, plan)}END;
IF @chosenNo IS NOT NULL SET @picks = @picks + 1;
`;
}

/** The index of a set, least loaded first. */
function ofSet(limit: string): string {
  return `SELECT TOP (${limit}) l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.active_tasks,
    l.completed, l.failed, l.load, l.last_assigned_at
  FROM dbo.agent_loads AS l WHERE l.set_no = s.set_no AND l.assignable = 1
  ORDER BY l.load, l.last_assigned_at, l.agent_id`;
}

/** The 64 with the lowest (load, last assigned, id) of all sets. */
const leastLoaded = (sets: string) => `best AS (
  SELECT TOP (${CANDIDATES_MAX}) f.agent_no, f.agent_id, f.set_no, f.max_concurrent_tasks, f.active_tasks, f.completed, f.failed,
    f.load, f.last_assigned_at, 0 AS ended, 0 AS preferred
  FROM ${sets} CROSS APPLY (${ofSet(`${CANDIDATES_MAX}`)}) AS f
  ORDER BY f.load, f.last_assigned_at, f.agent_id)`;

/**
 * The same for a task of a plan. Each set's index gives as many more as the plan has picked: a picked agent is read where it
 * stood before.
 */
const leastLoadedBeside = (sets: string, plan: string) => `picked AS (
  SELECT agent_no, COUNT(*) AS picks FROM ${plan} WHERE agent_no IS NOT NULL GROUP BY agent_no),
open_sets AS (
  SELECT f.agent_no, f.agent_id, f.set_no, f.max_concurrent_tasks, f.completed, f.failed,
    f.active_tasks + COALESCE(x.picks, 0) AS active_tasks,
    CASE WHEN x.picks > 0 THEN CAST(f.active_tasks + x.picks AS float) / f.max_concurrent_tasks ELSE f.load END AS load,
    CASE WHEN x.picks > 0 THEN @now ELSE f.last_assigned_at END AS last_assigned_at
  FROM ${sets} CROSS APPLY (${ofSet(`${CANDIDATES_MAX} + @picks`)}) AS f LEFT JOIN picked AS x ON x.agent_no = f.agent_no),
best AS (
  SELECT TOP (${CANDIDATES_MAX}) w.agent_no, w.agent_id, w.set_no, w.max_concurrent_tasks, w.active_tasks, w.completed, w.failed,
    w.load, w.last_assigned_at, CASE WHEN w.agent_no = @endedByNo THEN 1 ELSE 0 END AS ended, ${PREFERRED} AS preferred
  FROM open_sets AS w WHERE w.active_tasks < w.max_concurrent_tasks
  ORDER BY w.load, w.last_assigned_at, w.agent_id)`;

/** Of the preferred capabilities, how many the set of row `w` answers to. */
const PREFERRED = `CASE WHEN @preferred IS NULL THEN 0 ELSE (
      SELECT COUNT(*) FROM OPENJSON(@preferred) AS p JOIN dbo.set_capabilities AS h
      ON h.capability = CAST(p.value AS varchar(128)) ${BIN2} AND h.set_no = w.set_no) END`;

/** Not who just ended an attempt, lowest load, most preferred capabilities, most reliable, least recently assigned, id. */
const BY_PREFERENCE = `b.ended, b.load, b.preferred DESC, (b.completed + CAST(1 AS float)) / (b.completed + b.failed + 1) DESC,
    b.last_assigned_at, b.agent_id`;

/**
 * Chooses among all workers.
 *
 * @param plan see `weigh`; left out when the task is alone, names nobody, prefers nothing and had no attempt
 */
export function weighAnyone(sets: string, plan?: string): string {
  const excluded = {
    missingCapability: "n.total - n.workers",
    notActive: "n.workers - n.active",
    noFreeSlot: "n.active - n.free",
    beyondLimit: "n.free - c.weighed",
    notNamed: "0",
  };
  return `WITH ${plan === undefined ? leastLoaded(sets) : leastLoadedBeside(sets, plan)},
placed AS (SELECT b.*, ROW_NUMBER() OVER (ORDER BY ${BY_PREFERENCE}) AS place FROM best AS b),
chosen AS (
  SELECT MAX(CASE WHEN r.place = 1 THEN r.agent_no ELSE 0 END) AS agent_no,
    MAX(CASE WHEN r.place = 1 THEN r.set_no ELSE 0 END) AS set_no,
    MAX(CASE WHEN r.place = 1 AND r.active_tasks + 1 >= r.max_concurrent_tasks THEN 1 ELSE 0 END) AS fills,
    COUNT(*) AS weighed, STRING_AGG(${storeCandidate("r")}, '') WITHIN GROUP (ORDER BY r.place) AS considered
  FROM placed AS r),
${workerCounts(sets, plan)}
SELECT @chosenNo = NULLIF(c.agent_no, 0), @chosenSetNo = c.set_no, @chosenFills = c.fills,
  @explanation = ${storeExplanation(excluded, "c.considered")}
FROM chosen AS c CROSS JOIN counted AS n;
`;
}

/** Registered workers in all, and of the sets: all, the active ones, those with a free slot. Counters: nothing is scanned. */
function workerCounts(sets: string, plan?: string): string {
  const filled =
    plan === undefined
      ? ""
      : ` - (SELECT COUNT(*) FROM ${plan} AS x WHERE x.fills = 1
      AND EXISTS (SELECT 1 FROM ${sets} WHERE s.set_no = x.set_no))`;
  return `counts AS (
  SELECT o.kind, v.value FROM ${sets} CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS o (kind)
  JOIN dbo.counters AS v ON v.name = CONCAT('set:', s.set_no, o.kind)),
counted AS (
  SELECT COALESCE(SUM(CASE WHEN k.kind = ':workers' THEN k.value ELSE 0 END), 0) AS workers,
    COALESCE(SUM(CASE WHEN k.kind = ':active' THEN k.value ELSE 0 END), 0) AS active,
    COALESCE(SUM(CASE WHEN k.kind = ':free' THEN k.value ELSE 0 END), 0)${filled} AS free,
    (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total
  FROM counts AS k)`;
}

/** Everyone but the named agent is out; it itself is out for the first reason that holds. */
function weighNamed(sets: string, plan: string): string {
  const excluded = {
    missingCapability: "q.worker * (1 - q.meets)",
    notActive: "q.worker * q.meets * (1 - q.working)",
    noFreeSlot: "q.worker * q.meets * q.working * (1 - q.room)",
    beyondLimit: "0",
    notNamed: "q.total - q.worker",
  };
  return `WITH named AS (
  SELECT l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.completed, l.failed, l.last_assigned_at, l.active_tasks AS held,
    CASE WHEN l.working = 1 THEN 1 ELSE 0 END AS working,
    (SELECT COUNT(*) FROM ${plan} AS y WHERE y.agent_no = @namedNo) AS picks,
    (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total,
    CASE WHEN a.role = 'worker' AND a.status <> 'deregistered' THEN 1 ELSE 0 END AS worker,
    CASE WHEN EXISTS (SELECT 1 FROM ${sets} WHERE s.set_no = l.set_no) THEN 1 ELSE 0 END AS meets
  FROM dbo.agents AS a JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no WHERE a.agent_no = @namedNo),
weighed AS (
  SELECT w.agent_no, w.agent_id, w.set_no, w.max_concurrent_tasks, w.completed, w.failed, w.worker, w.meets, w.working, w.total,
    w.held + w.picks AS active_tasks, CASE WHEN w.held + w.picks < w.max_concurrent_tasks THEN 1 ELSE 0 END AS room,
    CASE WHEN w.picks > 0 THEN @now ELSE w.last_assigned_at END AS last_assigned_at,
    CASE WHEN w.agent_no = @endedByNo THEN 1 ELSE 0 END AS ended, ${PREFERRED} AS preferred
  FROM named AS w)
SELECT @chosenNo = CASE WHEN q.meets * q.working * q.room = 1 THEN q.agent_no END, @chosenSetNo = q.set_no,
  @chosenFills = CASE WHEN q.active_tasks + 1 >= q.max_concurrent_tasks THEN 1 ELSE 0 END,
  @explanation = ${storeExplanation(excluded, `CASE WHEN q.meets * q.working * q.room = 1 THEN ${storeCandidate("q")} END`)}
FROM weighed AS q;
`;
}
