SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- What stands behind `ledger:` counts only with `npm run migrate -- --ledger`, which makes the audit append-only for everybody.

-- A schema of its own, because the app's role may change all rows of dbo: here it may only add and read. It is made here when
-- infra/sql/roles.sql has not made it; that script gives it to the migrator and grants the app what it needs, and may be run
-- before this file or after it.
IF SCHEMA_ID(N'audit') IS NULL EXEC (N'CREATE SCHEMA audit');
GO
-- What was done, by whom, to what. Entries are added in the transaction of the change itself, and never change. Numbers are
-- given before the commit, so a lower one may appear after a higher one. (No other index: every change would pay for it. A time
-- is found by halving the numbers, other filters walk back through the entries.)
CREATE TABLE audit.entries (
  entry_no bigint IDENTITY NOT NULL CONSTRAINT audit_entries_pk PRIMARY KEY CLUSTERED WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
  at bigint NOT NULL,
  -- The agent's id, 'system', or '*' for a caller without a name.
  actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  action varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  subject_kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  subject_id varchar(160) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- Ids, numbers, names of states and counts as a JSON object.
  detail varchar(2000) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT audit_entries_detail CHECK (ISJSON(detail) = 1)
)
-- ledger: WITH (LEDGER = ON (APPEND_ONLY = ON))
;

-- Blocks of entries, each with the hash of the one before.
CREATE TABLE audit.blocks (
  block_no bigint NOT NULL CONSTRAINT audit_blocks_pk PRIMARY KEY CONSTRAINT audit_blocks_number CHECK (block_no > 0),
  first_entry_no bigint NOT NULL,
  last_entry_no bigint NOT NULL,
  entry_count int NOT NULL CONSTRAINT audit_blocks_count CHECK (entry_count BETWEEN 1 AND 1000),
  newest_at bigint NOT NULL,
  sealed_at bigint NOT NULL,
  -- Every entry up to this number is in this block or an earlier one.
  floor_no bigint NOT NULL,
  previous_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL
)
-- ledger: WITH (LEDGER = ON (APPEND_ONLY = ON))
;
CREATE TABLE audit.block_entries (
  entry_no bigint NOT NULL CONSTRAINT audit_block_entries_pk PRIMARY KEY,
  block_no bigint NOT NULL CONSTRAINT audit_block_entries_block REFERENCES audit.blocks,
  -- Of the entry as it was sealed.
  hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL
)
-- ledger: WITH (LEDGER = ON (APPEND_ONLY = ON))
;
-- Blocks whose entries retention has taken. Only the procedure below writes here.
CREATE TABLE audit.dropped_blocks (
  block_no bigint NOT NULL CONSTRAINT audit_dropped_blocks_pk PRIMARY KEY
    CONSTRAINT audit_dropped_blocks_block REFERENCES audit.blocks,
  dropped_at bigint NOT NULL
);
-- One row: days for which nothing may be dropped, whatever the app asks for. The app cannot write it.
CREATE TABLE audit.policy (
  policy_no tinyint NOT NULL CONSTRAINT audit_policy_pk PRIMARY KEY CONSTRAINT audit_policy_one CHECK (policy_no = 1),
  floor_days int NOT NULL
);
INSERT INTO audit.policy (policy_no, floor_days) VALUES (1, 30);
GO
-- Drops the entries of the oldest block that still has some, if all of them are older than @before and than the floor; by the
-- server's own time. In order, and never the newest. (Owned by whoever owns the tables: so the app, which may execute it,
-- needs no DELETE of its own.)
CREATE PROCEDURE audit.drop_oldest_block @before bigint, @blockNo bigint OUTPUT, @entries int OUTPUT
AS
BEGIN
  SET XACT_ABORT ON;
  DECLARE @now bigint = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()), @cutoff bigint, @next bigint;
  SET @blockNo = NULL;
  SET @entries = 0;
  -- ledger: /* Nothing of a ledger can be dropped.
  SELECT @cutoff = @now - CAST(p.floor_days AS bigint) * 86400000 FROM audit.policy AS p;
  IF @cutoff IS NULL RETURN;
  IF @before < @cutoff SET @cutoff = @before;
  SET @next = COALESCE((SELECT MAX(d.block_no) FROM audit.dropped_blocks AS d), 0) + 1;
  IF NOT EXISTS (SELECT 1 FROM audit.blocks AS b WHERE b.block_no = @next + 1) RETURN;
  IF EXISTS (SELECT 1 FROM audit.block_entries AS x JOIN audit.entries AS e ON e.entry_no = x.entry_no
    JOIN audit.blocks AS b ON b.block_no = x.block_no
    WHERE b.block_no = @next AND x.entry_no BETWEEN b.first_entry_no AND b.last_entry_no AND e.at > @cutoff) RETURN;
  BEGIN TRANSACTION;
  INSERT INTO audit.dropped_blocks (block_no, dropped_at) VALUES (@next, @now);
  DELETE e FROM audit.blocks AS b
  JOIN audit.block_entries AS x ON x.entry_no BETWEEN b.first_entry_no AND b.last_entry_no AND x.block_no = b.block_no
  JOIN audit.entries AS e ON e.entry_no = x.entry_no
  WHERE b.block_no = @next;
  SET @entries = @@ROWCOUNT;
  DELETE x FROM audit.blocks AS b
  JOIN audit.block_entries AS x ON x.entry_no BETWEEN b.first_entry_no AND b.last_entry_no AND x.block_no = b.block_no
  WHERE b.block_no = @next;
  COMMIT TRANSACTION;
  SET @blockNo = @next;
  -- ledger: */
END;
GO
-- As infra/sql/roles.sql does, where that was run before.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_app') IS NOT NULL
BEGIN
  GRANT SELECT, INSERT ON audit.entries TO agent_communication_app;
  GRANT SELECT, INSERT ON audit.blocks TO agent_communication_app;
  GRANT SELECT, INSERT ON audit.block_entries TO agent_communication_app;
  GRANT SELECT ON audit.dropped_blocks TO agent_communication_app;
  GRANT SELECT ON audit.policy TO agent_communication_app;
  GRANT EXECUTE ON audit.drop_oldest_block TO agent_communication_app;
END;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (3, '0003_audit.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
