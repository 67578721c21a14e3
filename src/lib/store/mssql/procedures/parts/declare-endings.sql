-- What end-tasks and its steps work with, beside @unblocked (tasks that wait for an agent now, for hand-out).
--
-- @endings: attempts and tasks to be ended, as they were read.
-- - was, attempt and cancel_requested fence the row of the task; so does deadline_at where it is given.
-- - outcome: how the live attempt is recorded, which agent_no holds; both NULL when the task is not live.
-- - becomes: completed, failed, cancelled, or pending when it is tried again, with the retries_used and available_at that
--   it has then.
-- - answered: 1 when the attempt's own agent ends it, so that its repeat gets the same answer.
-- - result (JSON text), the version of the key that it is encrypted under, and error are the task's; detail is for its
--   history. actor: who ends it; NULL: the switchboard.
-- - receiver_no, place, priority, traceparent and payload are filled by tell-supervisors: the task_result.
DECLARE @endings TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  attempt int NOT NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, cancel_requested bit NOT NULL,
  deadline_at bigint NULL, agent_no int NULL, assigned_at bigint NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, retries_used int NULL, available_at bigint NULL,
  answered bit NOT NULL DEFAULT 0, result nvarchar(max) NULL, key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  error nvarchar(max) NULL, detail nvarchar(max) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  receiver_no int NULL, priority tinyint NULL, traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL, payload nvarchar(max) NULL);
DECLARE @finals int, @requeues int, @results int, @resultArrival bigint;
-- How many dependents are told now, and how many were.
DECLARE @dependentsLimit int = 100 /* DEPENDENTS_PER_CALL */, @dependentsTold int = 0;
-- include: parts/declare-counts.sql
