-- @kind: why nothing is done (ABSENT, SYSTEM, or the status of a message that is no longer queued), or what is: POST,
-- QUEUED. A repeat finds it expired. What is answered is how many are withdrawn now, by whichever call.
CREATE PROCEDURE release.withdraw_message
  @items nvarchar(max),
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/declare-ended.sql
DECLARE @messageId varchar(128), @kind varchar(24) = 'ABSENT', @senderNo int, @ending int = 0, @withdrawn int = 0;
SELECT @messageId = x.message_id FROM OPENJSON(@items) WITH (message_id varchar(128)) AS x;
SELECT @senderNo = m.sender_no, @kind = CASE WHEN m.sender_no IS NULL THEN 'SYSTEM'
  WHEN m.status = 'completed' AND EXISTS (SELECT 1 FROM dbo.channels AS c WHERE c.channel_no = m.receiver_no AND c.kind = 'broadcast') THEN 'POST'
  WHEN m.status = 'queued' THEN 'QUEUED' ELSE m.status END
FROM dbo.messages AS m WHERE m.message_id = @messageId;
IF @kind = 'QUEUED'
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'WITHDRAWN', CASE WHEN m.joined = 1 THEN m.ordering_key END
  FROM dbo.messages AS m WHERE m.message_id = @messageId AND m.status = 'queued';
ELSE IF @kind = 'POST'
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'WITHDRAWN', CASE WHEN m.joined = 1 THEN m.ordering_key END
  FROM dbo.messages AS m WHERE m.post_id = @messageId AND m.post_id IS NOT NULL AND m.status = 'queued' AND m.sender_no = @senderNo;
SET @ending = (SELECT COUNT(*) FROM @ended);
-- A claim has leased it between the two reads: the next try says so.
IF @kind = 'QUEUED' AND @ending = 0 RETURN 1;
IF @ending > 0
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/end-messages.sql
  IF @auditMessages = 1
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
      WHERE CAST(i.[key] AS int) = 0) COLLATE Latin1_General_100_BIN2, (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @senderNo)), 'system'), 'message.withdrawn', 'message', @messageId, CONCAT('{"withdrawn":' + CAST(@ending AS varchar(20)), '}');
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
END;
IF @kind = 'POST'
  SET @withdrawn = (SELECT COUNT(*) FROM dbo.messages AS m WHERE m.post_id = @messageId AND m.post_id IS NOT NULL AND m.status = 'expired'
    AND m.reason = N'WITHDRAWN' AND m.sender_no = @senderNo);
ELSE IF @kind IN ('QUEUED', 'expired')
  SET @withdrawn = (SELECT COUNT(*) FROM dbo.messages AS m WHERE m.message_id = @messageId AND m.reason = N'WITHDRAWN');
SELECT 0 AS item, @kind AS kind, @withdrawn AS withdrawn;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
