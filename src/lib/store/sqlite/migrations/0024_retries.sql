-- Tasks that have ended can be re-opened. Found by these: what ended because of a task, and what waited for its failure or its end.
-- Few tasks have either, so that the others pay nothing.
CREATE INDEX task_outcomes_because_of ON task_outcomes (because_of) WHERE because_of IS NOT NULL;
CREATE INDEX task_dependents_told ON task_dependencies (depends_on, condition, task_no) WHERE condition <> 'completed';
-- Tasks that were re-opened and have more dependents than one call looks at: the sweep goes on with them.
CREATE TABLE reopened_tasks (
  task_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
