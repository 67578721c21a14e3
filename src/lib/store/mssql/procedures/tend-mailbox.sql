-- Works off what stands before the claims of a mailbox, in transactions of its own: messages that are due join their
-- ordering keys, ended leases are taken back, and the expired among the due heads are recorded. At most 500 of each, so
-- that a claim answers; @unfinished says that there are more. Outside any transaction.
-- @types: JSON array of types; NULL: heads of any type. Returns 0; 1: a race was lost. Recordset: the agents to wake.
CREATE PROCEDURE release.tend_mailbox
  @mailboxNo int,
  @types nvarchar(max),
  @clockOffset bigint,
  @unfinished bit OUTPUT
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/declare-ended.sql
-- include: parts/declare-requeued.sql
DECLARE @overdue TABLE (arrival bigint NOT NULL PRIMARY KEY);
-- Messages that have become due and are to join their keys, in the order of position, as they were read.
DECLARE @joining TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, held bit NOT NULL);
DECLARE @joiningRows int, @joiningNumber bigint;
DECLARE @takenBack int, @expired int = 0, @met int = 1, @joinedNow int;
INSERT INTO @joining (arrival, receiver_no, ordering_key, held)
SELECT o.arrival, o.receiver_no, o.ordering_key, 0
FROM (SELECT TOP (200 /* JOINS_PER_TRANSACTION */) m.arrival, m.receiver_no, m.ordering_key, m.available_at FROM dbo.messages AS m
  WHERE m.receiver_no = @mailboxNo AND m.joined = 0 AND m.status = 'queued' AND m.available_at <= @now
  ORDER BY m.available_at, m.arrival) AS o
ORDER BY o.available_at, o.arrival;
SET @joinedNow = @@ROWCOUNT;
IF @joinedNow > 0
BEGIN
  -- include: parts/join-due.sql
  -- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
  -- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
  SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
END;
INSERT INTO @overdue (arrival)
SELECT TOP (500 /* UPKEEP_MAX */) m.arrival FROM dbo.messages AS m
WHERE m.receiver_no = @mailboxNo AND m.status = 'leased' AND m.lease_expires_at <= @now ORDER BY m.lease_expires_at;
SET @takenBack = @@ROWCOUNT;
-- include: parts/take-back.sql
WHILE @met > 0
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/end-messages.sql
  -- include: parts/requeue-messages.sql
  -- include: parts/apply-counts.sql
  DELETE FROM @counts;
  COMMIT TRANSACTION;
  -- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
  -- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
  SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
  IF @expired >= 500 /* UPKEEP_MAX */ BREAK;
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', m.ordering_key
  FROM (SELECT TOP (500 /* UPKEEP_MAX */) u.arrival, u.expires_at FROM (
    SELECT h.arrival, h.rank, h.expires_at FROM (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS p (priority, head_start)
    CROSS APPLY (SELECT TOP (500 /* UPKEEP_MAX */) m.arrival, m.available_at - p.head_start AS rank, m.expires_at
      FROM dbo.messages AS m
      WHERE m.receiver_no = @mailboxNo AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority
        AND m.available_at <= @now
      ORDER BY m.available_at, m.arrival) AS h
    WHERE @types IS NULL
    UNION ALL
    SELECT h.arrival, h.rank, h.expires_at FROM (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS p (priority, head_start)
    CROSS APPLY OPENJSON(@types) AS t
    CROSS APPLY (SELECT TOP (500 /* UPKEEP_MAX */) m.arrival, m.available_at - p.head_start AS rank, m.expires_at
      FROM dbo.messages AS m
      WHERE m.receiver_no = @mailboxNo AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority
        AND m.type = CAST(t.value AS varchar(64)) COLLATE Latin1_General_100_BIN2 AND m.available_at <= @now
      ORDER BY m.available_at, m.arrival) AS h
    WHERE @types IS NOT NULL
    ) AS u
    ORDER BY u.rank, u.arrival) AS r
  JOIN dbo.messages AS m ON m.arrival = r.arrival
  WHERE r.expires_at <= @now;
  SET @met = @@ROWCOUNT;
  SET @expired = @expired + @met;
END;
SET @unfinished = CASE WHEN @takenBack = 500 /* UPKEEP_MAX */ OR @joinedNow = 200 /* JOINS_PER_TRANSACTION */
  OR @expired >= 500 /* UPKEEP_MAX */ THEN 1 ELSE 0 END;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
RETURN 0;
