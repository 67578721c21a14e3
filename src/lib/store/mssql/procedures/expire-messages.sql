-- Records queued messages past their time to live as expired, in one transaction of bounded size.
CREATE PROCEDURE release.expire_messages
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-ended.sql
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
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
BEGIN TRANSACTION;
-- include: parts/end-messages.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @done AS done;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
