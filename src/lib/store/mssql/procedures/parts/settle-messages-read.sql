-- The settlements of all calls with the messages that they name. acts: of the current attempt of the mailbox's own
-- agent, or of the member that holds a channel's message, and leased, so it settles. status is the answer; the repeat
-- of an earlier settlement gets that one's.
DECLARE @settles TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, agent_no int NULL, receiver_no int NULL,
  arrival bigint NULL, attempt int NOT NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, acts bit NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, available_at bigint NULL, reason nvarchar(max) NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  stale bit NOT NULL, inactive bit NOT NULL, wakes bit NOT NULL);
INSERT INTO @settles (place, item, agent_no, receiver_no, arrival, attempt, outcome, acts, status, settlement, available_at, reason,
  ordering_key, code, stale, inactive, wakes)
-- include: parts/find-settlements.sql
OPTION (LOOP JOIN, FORCE ORDER);
