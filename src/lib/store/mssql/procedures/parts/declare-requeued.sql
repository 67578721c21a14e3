-- Leased messages to be returned to their mailboxes, as they were read; columns as in declare-ended.
DECLARE @requeued TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  attempt int NOT NULL, available_at bigint NOT NULL, settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, reason nvarchar(max) NULL,
  lease_expires_at bigint NULL);
DECLARE @requeuedRows int;
