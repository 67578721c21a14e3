import { CANDIDATES_MAX } from "../../limits.ts";
import { storeCandidate, storeExplanation } from "./explanations.ts";
import { ID, WORD } from "./transaction.ts";

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
${weighAll(plan, sets)}ELSE
${weighNamed(plan, sets)}IF @chosenNo IS NOT NULL SET @picks = @picks + 1;
`;
}

/** Of the preferred capabilities, how many the set of row `w` answers to. */
const PREFERRED = `CASE WHEN @preferred IS NULL THEN 0 ELSE (
      SELECT COUNT(*) FROM OPENJSON(@preferred) WITH (capability varchar(128) '$') AS p
      JOIN dbo.set_capabilities AS h ON h.capability = p.capability COLLATE Latin1_General_100_BIN2 AND h.set_no = w.set_no) END`;

/**
 * The 64 with the lowest (load, last assigned, id) of all sets. Each set's index gives as many more as the batch has picked:
 * a picked agent is read where it stood before.
 */
function leastLoaded(plan: string, sets: string): string {
  return `SELECT TOP (${CANDIDATES_MAX}) f.agent_no, f.agent_id, f.set_no, f.max_concurrent_tasks, f.completed, f.failed,
      f.active_tasks + COALESCE(x.picks, 0) AS active_tasks,
      CASE WHEN x.picks > 0 THEN CAST(f.active_tasks + x.picks AS float) / f.max_concurrent_tasks ELSE f.load END AS load,
      CASE WHEN x.picks > 0 THEN @now ELSE f.last_assigned_at END AS last_assigned_at,
      CASE WHEN f.agent_no = @endedByNo THEN 1 ELSE 0 END AS ended
    FROM ${sets}
    CROSS APPLY (SELECT TOP (${CANDIDATES_MAX} + @picks) l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.active_tasks,
        l.completed, l.failed, l.load, l.last_assigned_at
      FROM dbo.agent_loads AS l WHERE l.set_no = s.set_no AND l.assignable = 1
      ORDER BY l.load, l.last_assigned_at, l.agent_id) AS f
    LEFT JOIN (SELECT agent_no, COUNT(*) AS picks FROM ${plan} WHERE agent_no IS NOT NULL GROUP BY agent_no) AS x
      ON x.agent_no = f.agent_no
    WHERE x.picks IS NULL OR f.active_tasks + x.picks < f.max_concurrent_tasks
    ORDER BY load, last_assigned_at, f.agent_id`;
}

/** Not who just ended an attempt, lowest load, most preferred capabilities, most reliable, least recently assigned, id. */
const BY_PREFERENCE = "q.ended, q.load, q.preferred DESC, q.reliability DESC, q.last_assigned_at, q.agent_id";

function weighAll(plan: string, sets: string): string {
  const excluded = {
    missingCapability: "n.total - n.workers",
    notActive: "n.workers - n.active",
    noFreeSlot: "n.active - n.free",
    beyondLimit: "n.free - c.weighed",
    notNamed: "0",
  };
  return `SELECT @chosenNo = NULLIF(c.agent_no, 0), @chosenSetNo = c.set_no, @chosenFills = c.fills,
  @explanation = ${storeExplanation(excluded, "c.considered")}
FROM (
  SELECT MAX(CASE WHEN r.place = 1 THEN r.agent_no ELSE 0 END) AS agent_no,
    MAX(CASE WHEN r.place = 1 THEN r.set_no ELSE 0 END) AS set_no,
    MAX(CASE WHEN r.place = 1 AND r.active_tasks + 1 >= r.max_concurrent_tasks THEN 1 ELSE 0 END) AS fills,
    COUNT(*) AS weighed, STRING_AGG(${storeCandidate("r")}, '') WITHIN GROUP (ORDER BY r.place) AS considered
  FROM (SELECT q.*, ROW_NUMBER() OVER (ORDER BY ${BY_PREFERENCE}) AS place
    FROM (SELECT w.*, (w.completed + CAST(1 AS float)) / (w.completed + w.failed + 1) AS reliability, ${PREFERRED} AS preferred
      FROM (${leastLoaded(plan, sets)}) AS w) AS q) AS r
) AS c
CROSS JOIN (${workerCounts(plan, sets)}) AS n;
`;
}

/** Registered workers in all, and of the sets: all, the active ones, those with a free slot. Counters: nothing is scanned. */
function workerCounts(plan: string, sets: string): string {
  return `SELECT COALESCE(SUM(k.value * o.is_workers), 0) AS workers, COALESCE(SUM(k.value * o.is_active), 0) AS active,
    COALESCE(SUM(k.value * o.is_free), 0) - (SELECT COUNT(*) FROM ${plan} AS x WHERE x.fills = 1
      AND EXISTS (SELECT 1 FROM ${sets} WHERE s.set_no = x.set_no)) AS free,
    (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total
  FROM ${sets}
  CROSS JOIN (VALUES (':workers', 1, 0, 0), (':active', 0, 1, 0), (':free', 0, 0, 1)) AS o (kind, is_workers, is_active, is_free)
  CROSS APPLY (SELECT SUM(v.value) AS value FROM dbo.counters AS v WHERE v.name = CONCAT('set:', s.set_no, o.kind)) AS k`;
}

/** Everyone but the named agent is out; it itself is out for the first reason that holds. */
function weighNamed(plan: string, sets: string): string {
  const excluded = {
    missingCapability: "q.worker * (1 - q.meets)",
    notActive: "q.worker * q.meets * (1 - q.working)",
    noFreeSlot: "q.worker * q.meets * q.working * (1 - q.room)",
    beyondLimit: "0",
    notNamed: "(SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') - q.worker",
  };
  return `SELECT @chosenNo = CASE WHEN q.free = 1 THEN q.agent_no END, @chosenSetNo = q.set_no,
  @chosenFills = CASE WHEN q.active_tasks + 1 >= q.max_concurrent_tasks THEN 1 ELSE 0 END,
  @explanation = ${storeExplanation(excluded, `CASE WHEN q.free = 1 THEN ${storeCandidate("q")} END`)}
FROM (SELECT w.*, w.meets * w.working * w.room AS free, ${PREFERRED} AS preferred
  FROM (SELECT l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.completed, l.failed,
      l.active_tasks + x.picks AS active_tasks,
      CASE WHEN x.picks > 0 THEN @now ELSE l.last_assigned_at END AS last_assigned_at,
      CASE WHEN l.agent_no = @endedByNo THEN 1 ELSE 0 END AS ended,
      CASE WHEN a.role = 'worker' AND a.status <> 'deregistered' THEN 1 ELSE 0 END AS worker,
      CASE WHEN EXISTS (SELECT 1 FROM ${sets} WHERE s.set_no = l.set_no) THEN 1 ELSE 0 END AS meets,
      CASE WHEN l.working = 1 THEN 1 ELSE 0 END AS working,
      CASE WHEN l.active_tasks + x.picks < l.max_concurrent_tasks THEN 1 ELSE 0 END AS room
    FROM dbo.agents AS a JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
    CROSS APPLY (SELECT COUNT(*) AS picks FROM ${plan} AS y WHERE y.agent_no = a.agent_no) AS x
    WHERE a.agent_no = @namedNo) AS w) AS q;
`;
}
