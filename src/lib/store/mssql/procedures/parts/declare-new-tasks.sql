-- The calls of a batch, as a plan. becomes is 'refused' or 'repeat' for those that create nothing; code and subject
-- say why. gate: it is only a question; asks: of agents that it names. known_id: the task that the same request has created before, own when that was this very call. unmet:
-- dependencies that have not completed; lost: the first of them that never will. stale: the supervisor's heartbeat is
-- to be renewed; wakes: it has fallen silent. stops: a failure in its workflow cancels it.
DECLARE @plan TABLE (place int NOT NULL PRIMARY KEY, task_no bigint NOT NULL, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, task_type varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, priority tinyint NOT NULL,
  demand_no int NULL, named_no int NULL, attempt int NOT NULL, timeout_milliseconds bigint NOT NULL, start_timeout_milliseconds bigint NULL, preferred nvarchar(max) NULL,
  becomes varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, set_no int NULL, fills int NULL, explanation varchar(max) NULL,
  receiver_no int NULL, message_type varchar(24) COLLATE Latin1_General_100_BIN2 NULL, payload varchar(max) NULL,
  code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, subject varchar(128) COLLATE Latin1_General_100_BIN2 NULL, known_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, own bit NULL, supervisor_no int NULL, max_retries int NOT NULL,
  parent_task_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL, request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, operation_id uniqueidentifier NOT NULL,
  depends int NOT NULL, prefers int NOT NULL, unmet int NOT NULL, lost varchar(128) COLLATE Latin1_General_100_BIN2 NULL, capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  gate bit NOT NULL, asks bit NOT NULL, stops bit NOT NULL, expires_at bigint NULL, stale int NOT NULL, wakes int NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @taskNumbers bigint = 0;
-- Of a workflow: its number, and 1: its tasks may depend on those before them, and what is lost already is told to them after they are made.
DECLARE @workflowNo bigint, @siblings bit = 0;
-- Of children: their parent, whose supervisor is theirs, whatever has become of it.
DECLARE @parentNo bigint;
DECLARE @dependent int, @gates int, @expiring int, @preferring int, @missing int, @stale int;
