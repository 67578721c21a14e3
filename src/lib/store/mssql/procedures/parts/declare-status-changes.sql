-- Changes of status, role, capacity or capability set, each with the state that was read before. beats: counts as a
-- heartbeat. silent_since: a race is lost to a heartbeat later than this. actor: who changes it; NULL: the switchboard.
DECLARE @status_changes TABLE (agent_no int NOT NULL PRIMARY KEY,
  was_role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_set_no int NOT NULL, was_max int NOT NULL,
  role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, set_no int NOT NULL, max_concurrent_tasks int NOT NULL,
  beats bit NOT NULL, silent_since bigint NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, metadata_changed bit NOT NULL DEFAULT 0, timeout_changed bit NOT NULL DEFAULT 0);
DECLARE @statusChanges int;
