import type { DatabaseSync } from "node:sqlite";
import type { CopiedWait, CopiedWaitingRows } from "../copy/copied-waiting.ts";

/** How work that waits reads in a copy. (What copied-rows.ts says of its rows holds here, too.) */

/** Columns and joins of tasks. */
export const WAITING_COLUMNS = `t.expires_at, t.gate, t.suspensions, f.workflow_id, k.position AS workflow_place, k.ref, t.stops,
    q.task_id AS parent_id, b.child_types, b.descendants`;
export const WAITING_JOINS = `LEFT JOIN workflows f ON f.workflow_no = t.workflow_no LEFT JOIN workflow_tasks k ON k.task_no = t.task_no
  LEFT JOIN tasks q ON q.task_no = t.parent_no`;

const WORKFLOWS = `SELECT w.workflow_id, a.agent_id AS supervisor_id, w.stop_on_failure, w.notify, w.status, w.version, w.open_tasks,
    w.completed, w.failed, w.cancelled, w.not_needed, w.stopped, w.created_at, w.ended_at, w.idempotency_key, w.request_hash
  FROM workflows w JOIN agents a ON a.agent_no = w.supervisor_no ORDER BY w.workflow_no`;
const WAITS = `SELECT t.task_no, t.task_id, s.unanswered, s.resumed_by,
    EXISTS (SELECT 1 FROM ended_parents p WHERE p.task_no = t.task_no) AS parent_ended,
    EXISTS (SELECT 1 FROM reopened_tasks r WHERE r.task_id = t.task_id) AS reopened
  FROM tasks t LEFT JOIN task_suspensions s ON s.task_no = t.task_no
  WHERE t.gate = 1 OR t.suspensions > 0 OR t.task_id IN (SELECT task_id FROM reopened_tasks) ORDER BY t.task_no`;
const QUESTIONS = `SELECT attempt, asked_version, state, asked_at, timeout_milliseconds, expires_at, has_default, default_rejects,
    answer_hash, answered_by, answered_at FROM task_questions WHERE task_no = ? ORDER BY attempt`;
const ANSWERERS = `SELECT q.attempt, a.agent_id, r.asked, r.open FROM task_questions q JOIN question_answerers r USING (question_no)
  JOIN agents a USING (agent_no) WHERE q.task_no = ? ORDER BY q.attempt, a.agent_id`;
const VALUES = "SELECT name, value, key_version FROM task_values WHERE task_no = ? ORDER BY name";
const ARCHIVED_VALUES = "SELECT task_id, name, value, key_version FROM task_archive_values ORDER BY value_no";
const SCHEDULES = `SELECT s.schedule_id, a.agent_id AS supervisor_id, s.cron, s.timezone, s.overlap, s.enabled, s.creates, s.contents,
    s.key_version, s.due_at, s.planned_at, s.refusals, s.firings, s.version, s.created_at, s.updated_at
  FROM schedules s JOIN agents a ON a.agent_no = s.supervisor_no ORDER BY s.schedule_no`;

/** Versions of the keys that something of it is encrypted under: to be joined by UNION. */
export const WAITING_KEY_VERSIONS = `SELECT key_version FROM task_values WHERE key_version IS NOT NULL
  UNION SELECT key_version FROM task_archive_values
  UNION SELECT key_version FROM schedules WHERE key_version IS NOT NULL`;

type WaitAlone = Omit<CopiedWait, "questions" | "answerers" | "kept_values"> & { task_no: number };

function* waitsWithParts(database: DatabaseSync): Iterable<CopiedWait> {
  const questions = database.prepare(QUESTIONS);
  const answerers = database.prepare(ANSWERERS);
  const values = database.prepare(VALUES);
  for (const row of database.prepare(WAITS).iterate() as Iterable<WaitAlone>) {
    const { task_no: taskNo, ...wait } = row;
    yield {
      ...wait,
      questions: questions.all(taskNo) as unknown as CopiedWait["questions"],
      answerers: answerers.all(taskNo) as unknown as CopiedWait["answerers"],
      kept_values: values.all(taskNo) as unknown as CopiedWait["kept_values"],
    };
  }
}

/** The rows of each kind. */
export function copiedWaitingRows(database: DatabaseSync): {
  readonly [Kind in keyof CopiedWaitingRows]: () => Iterable<CopiedWaitingRows[Kind]>;
} {
  const rows = <Name extends keyof CopiedWaitingRows>(sql: string) =>
    database.prepare(sql).iterate() as Iterable<CopiedWaitingRows[Name]>;
  return {
    workflows: () => rows<"workflows">(WORKFLOWS),
    waits: () => waitsWithParts(database),
    archivedValues: () => rows<"archivedValues">(ARCHIVED_VALUES),
    schedules: () => rows<"schedules">(SCHEDULES),
  };
}
