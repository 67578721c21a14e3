-- What end-tasks and its steps work with, beside @unblocked (tasks that wait for an agent now, for hand-out).
--
-- @endings: attempts and tasks to be ended, as they were read.
-- - was, attempt and cancel_requested fence the row of the task; so does deadline_at where it is given.
-- - outcome: how the live attempt is recorded, which agent_no holds; both NULL when the task is not live.
-- - becomes: completed, failed, cancelled, or what it waits as, with the retries_used and available_at that it has then (NULL:
--   as they are): pending when it is tried again, has suspended itself until a time (outcome: suspended) or was woken by an answer
--   (outcome: NULL), input_required when it has suspended itself until an answer, and blocked until its @children have ended.
-- - answered: 1 when the attempt's own agent ends it, so that its repeat gets the same answer; answer_more: members that it has
--   besides.
-- - closing, closed_by and closed_hash: what becomes of its question; NULL: ended, if it has one that is open.
-- - result (JSON text), the version of the key that it is encrypted under, and error are the task's; detail is for its
--   history. actor: who ends it; NULL: the switchboard. because_of: the task whose end ends it; with the error NOT_NEEDED nobody
--   is told.
-- - receiver_no, workflow_no, priority, traceparent and payload are filled by prepare-results: the task_result; flow_receiver_no, flow_place and
--   flow_payload, too: the workflow_result, in the row of the last task of a workflow that has ended.
DECLARE @endings TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  attempt int NOT NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, cancel_requested bit NOT NULL,
  deadline_at bigint NULL, agent_no int NULL, assigned_at bigint NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, retries_used int NULL, available_at bigint NULL,
  answered bit NOT NULL DEFAULT 0, answer_more nvarchar(300) COLLATE Latin1_General_100_BIN2 NULL, closing varchar(10) COLLATE Latin1_General_100_BIN2 NULL,
  closed_by varchar(128) COLLATE Latin1_General_100_BIN2 NULL, closed_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL, result nvarchar(max) NULL, key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  error nvarchar(max) NULL, because_of varchar(128) COLLATE Latin1_General_100_BIN2 NULL, detail nvarchar(max) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  receiver_no int NULL, workflow_no bigint NULL, flow_receiver_no int NULL, flow_place int NULL, flow_payload nvarchar(400) NULL, priority tinyint NULL, traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL, payload nvarchar(max) NULL);
DECLARE @finals int, @waits int, @results int, @resultArrival bigint, @flows int = 0, @flowArrival bigint, @questions int, @questionArrival bigint;
-- 1: tasks of @unblocked ask their questions (they are input_required, and nothing hands them out).
DECLARE @asking bit = 0;
-- How many children the task of @endings that becomes blocked has made; there is no more than one such.
DECLARE @children int = 0;
-- How many dependents are told now, and how many were.
DECLARE @dependentsLimit int = 100 /* DEPENDENTS_PER_CALL */, @dependentsTold int = 0;
-- include: parts/declare-counts.sql
