-- What settle-dependents works with. Included where it is used: few calls end a task that has dependents.
-- @ended_tasks: tasks that have ended and whose dependents are to be told; level 0 is the caller's.
DECLARE @ended_tasks TABLE (task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, completed bit NOT NULL,
  not_needed bit NOT NULL, level int NOT NULL);
DECLARE @told TABLE (task_no bigint NOT NULL, position int NOT NULL, depends_on varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, met bit NOT NULL,
  not_needed bit NOT NULL, level int NOT NULL, PRIMARY KEY (task_no, position));
DECLARE @dependents TABLE (task_no bigint NOT NULL PRIMARY KEY, met int NOT NULL, last_met varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  failed varchar(128) COLLATE Latin1_General_100_BIN2 NULL, unneeded varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
-- Tasks that a failure in their workflow stops.
DECLARE @stopped TABLE (task_no bigint NOT NULL PRIMARY KEY, because_of varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @dependencyLevel int, @dependentRows int, @stoppedRows int;
