/** Laws of work that waits, as statements on the rows: each selects what breaks it as `problem`; ?1 is the time. */

const OPEN = "('blocked', 'pending', 'assigned', 'running', 'input_required')";

/** What must not be found once the sweep has been: something that lies about, or waits for what has come already. */
export const REST_LAWS: readonly string[] = [
  `SELECT task_id || ' is ' || status || ' past its deadline' AS problem FROM tasks
   WHERE status IN ('assigned', 'running') AND deadline_at <= ?1`,
  `SELECT task_id || ' was not started in time' AS problem FROM tasks WHERE status = 'assigned' AND start_deadline_at <= ?1`,
  `SELECT task_id || ' is ' || status || ' past expiresAt' AS problem FROM tasks WHERE status IN ${OPEN} AND expires_at <= ?1`,
  `SELECT t.task_id || ' has a question whose time is over' AS problem FROM task_questions q JOIN tasks t USING (task_no)
   WHERE q.state = 'open' AND q.expires_at <= ?1`,
  `SELECT c.task_id || ' is ' || c.status || ', and its parent ' || p.task_id || ' has ended' AS problem FROM tasks c
   JOIN tasks p ON p.task_no = c.parent_no WHERE p.ended_at IS NOT NULL AND c.ended_at IS NULL AND c.cancel_requested = 0`,
  "SELECT task_id || ' was left by a call' AS problem FROM ended_dependencies",
  "SELECT task_no || ' was left by a call' AS problem FROM ended_parents",
  "SELECT task_id || ' was left by a retry' AS problem FROM reopened_tasks",
];

/**
 * What must not be found after any commit: something that waits, and nothing will free it. (Where a call tells at most 100 dependents,
 * and not all are told yet, only after the sweep.)
 */
export const STANDING_LAWS: readonly string[] = [
  // Nothing is blocked that nothing will free.
  `SELECT t.task_id || ' is blocked, and nothing that it waits for is open' AS problem FROM tasks t WHERE t.status = 'blocked'
     AND NOT EXISTS (SELECT 1 FROM task_dependencies d JOIN tasks b ON b.task_id = d.depends_on
       WHERE d.task_no = t.task_no AND d.settled = 0 AND b.ended_at IS NULL)`,
  `SELECT t.task_id || ' was not told of the end of ' || b.task_id AS problem FROM tasks t JOIN task_dependencies d USING (task_no)
   JOIN tasks b ON b.task_id = d.depends_on WHERE t.status = 'blocked' AND d.settled = 0 AND b.ended_at IS NOT NULL`,
  `SELECT t.task_id || ' waits for the end of ' || b.task_id || ', which is open, no more' AS problem FROM tasks t
   JOIN task_dependencies d USING (task_no) JOIN tasks b ON b.task_id = d.depends_on
   WHERE t.status = 'blocked' AND d.settled = 1 AND b.ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM task_dependencies c
     WHERE c.task_no = t.task_no AND c.position >= t.suspensions * 1000 AND c.settled = 0 AND d.position < t.suspensions * 1000)`,
  `SELECT t.task_id || ' waits for an answer, and asks nothing' AS problem FROM tasks t WHERE t.status = 'input_required'
     AND NOT EXISTS (SELECT 1 FROM task_questions q WHERE q.task_no = t.task_no AND q.attempt = t.attempt AND q.state = 'open')`,
  `SELECT t.task_id || ' is ' || t.status || ', and has an open question' AS problem FROM tasks t JOIN task_questions q USING (task_no)
   WHERE q.state = 'open' AND t.status <> 'input_required'`,
  `SELECT t.task_id || ' goes on, and nothing has woken it' AS problem FROM tasks t JOIN task_suspensions s USING (task_no)
   WHERE s.resumed_by IS NULL AND t.status IN ('pending', 'assigned', 'running')`,
  `SELECT workflow_id || ' is ' || status || ' with ' || open_tasks || ' open tasks' AS problem FROM workflows
   WHERE (status = 'running') <> (open_tasks > 0)`,
  `SELECT t.task_id || ' waits for ' || d.depends_on || ', which was never made' AS problem FROM tasks t JOIN task_dependencies d USING (task_no)
   WHERE d.position >= 1000 AND NOT EXISTS (SELECT 1 FROM tasks b WHERE b.task_id = d.depends_on AND b.parent_no = t.task_no)`,
  `SELECT w.workflow_id || ' is said to have ' || w.open_tasks || ' open tasks' AS problem FROM workflows w
   WHERE w.open_tasks <> (SELECT count(*) FROM tasks t WHERE t.workflow_no = w.workflow_no AND t.ended_at IS NULL)`,
];
