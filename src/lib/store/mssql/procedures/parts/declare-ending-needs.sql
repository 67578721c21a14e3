-- What end-tasks works with beside DECLARE_ENDINGS and @unblocked; a batch that declares some of it itself lists the
-- others.
-- How many dependents are told now, and how many were.
DECLARE @dependentsLimit int = 100 /* DEPENDENTS_PER_CALL */, @dependentsTold int = 0;
-- What is added to the histories of tasks, in the order of position. agent_no: the agent that the event is about, if
-- any. event is one of TASK_EVENTS. For the audit alone are actor, who made it happen (NULL: the switchboard, for
-- what follows from something else), and outcome, how the attempt ended that the task has lost; detail is for the
-- history alone.
DECLARE @events TABLE (position int IDENTITY PRIMARY KEY, task_no bigint NOT NULL, event varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  attempt int NOT NULL, agent_no int NULL, detail nvarchar(max) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NULL);
-- What is to be written, in order. task_no and task_attempt for task_assignment only: its payload is joined with the
-- task when it is read, and so is its traceparent. payload is JSON text, key_version of what is encrypted in it.
-- Needs DECLARE_COUNTS and DECLARE_DELIVERABLE.
DECLARE @outbox TABLE (position int IDENTITY NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  type varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, priority tinyint NOT NULL, payload nvarchar(max) NOT NULL, task_no bigint NULL, task_attempt int NULL,
  key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL, traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL);
DECLARE @outboxFirst int, @outboxEnd int, @outboxArrival bigint, @outboxWritten int;
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
DECLARE @deliverable TABLE (agent_no int NOT NULL);
