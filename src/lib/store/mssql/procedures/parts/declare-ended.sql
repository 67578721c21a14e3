-- Messages to be ended, as they were read. attempt and was fence the row; lease_expires_at does too where it is given: a
-- lease that has ended may have been renewed since. settlement and reason leave what is stored when NULL. ordering_key is
-- the one that the row has joined.
DECLARE @ended TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, reason nvarchar(max) NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, lease_expires_at bigint NULL);
DECLARE @endedRows int;
-- How many messages of which ordering keys end.
DECLARE @ended_keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, ended int NOT NULL,
  PRIMARY KEY (receiver_no, ordering_key));
DECLARE @endedKeys int;
