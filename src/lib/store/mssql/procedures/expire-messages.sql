-- Records queued messages past their time to live as expired, in one transaction of bounded size.
CREATE PROCEDURE release.expire_messages
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- What DECLARE_ENDED's table holds: messages to be ended, as they were read. attempt and was fence the row;
-- lease_expires_at does too where it is given: a lease that has ended may have been renewed since. settlement and
-- reason leave what is stored when NULL. ordering_key is the one that the row has joined: KEY_TO_LEAVE.
DECLARE @ended TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, reason nvarchar(max) NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, lease_expires_at bigint NULL);
DECLARE @endedRows int;
-- How many messages of which ordering keys end.
DECLARE @ended_keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, ended int NOT NULL,
  PRIMARY KEY (receiver_no, ordering_key));
DECLARE @endedKeys int;
DECLARE @done int;
INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, ordering_key)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) m.arrival, m.receiver_no, m.status, m.attempt, 'expired', CASE WHEN m.joined = 1 THEN m.ordering_key END
FROM dbo.messages AS m WHERE m.status = 'queued' AND m.expires_at IS NOT NULL AND m.expires_at <= @now ORDER BY m.expires_at;
SET @done = @@ROWCOUNT;
IF @done = 0
BEGIN
  SELECT 0 AS done;
  RETURN;
END;
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
DECLARE @deliverable TABLE (agent_no int NOT NULL);
BEGIN TRANSACTION;
-- include: parts/end-messages.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @done AS done;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
