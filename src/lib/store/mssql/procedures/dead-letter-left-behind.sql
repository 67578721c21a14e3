-- The rows of the agents are updated first, so that none of them registers again while its messages end. A mailbox
-- counts as emptied once nothing is in it and no send can be under way any more: senders do not lock their receiver.
CREATE PROCEDURE release.dead_letter_left_behind
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @left TABLE (agent_no int NOT NULL PRIMARY KEY, emptied bit NOT NULL);
DECLARE @agents int, @done int = 0;
INSERT INTO @left (agent_no, emptied)
SELECT TOP (100 /* MAILBOXES_PER_TRANSACTION */) a.agent_no, CASE WHEN u.unsettled = 1 THEN 0 ELSE 1 END
FROM dbo.agents AS a CROSS APPLY (SELECT CASE WHEN (EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'queued')
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'leased')) THEN 1 ELSE 0 END AS unsettled) AS u
WHERE a.mailbox_left = 1 AND (u.unsettled = 1 OR a.status_changed_at <= @now - 60000 /* SEND_UNDER_WAY_MILLISECONDS */)
ORDER BY a.agent_no;
SET @agents = @@ROWCOUNT;
IF @agents = 0
BEGIN
  SELECT 0 AS done, CAST(0 AS bit) AS more;
  RETURN;
END;
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/declare-counts.sql
-- include: parts/declare-ended.sql
INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) m.arrival, l.agent_no, m.status, m.attempt, 'dead_lettered', N'RECEIVER_DEREGISTERED',
  CASE WHEN m.joined = 1 THEN m.ordering_key END
FROM @left AS l CROSS APPLY (
  SELECT q.arrival, q.status, q.attempt, q.joined, q.ordering_key FROM dbo.messages AS q WHERE q.receiver_no = l.agent_no AND q.status = 'leased'
  UNION ALL
  SELECT q.arrival, q.status, q.attempt, q.joined, q.ordering_key FROM dbo.messages AS q WHERE q.receiver_no = l.agent_no AND q.status = 'queued'
) AS m
WHERE l.emptied = 0;
SET @done = @@ROWCOUNT;
BEGIN TRANSACTION;
UPDATE a SET mailbox_left = CASE WHEN l.emptied = 1 THEN 0 ELSE 1 END
FROM @left AS l JOIN dbo.agents AS a ON a.agent_no = l.agent_no
WHERE a.status = 'deregistered' AND a.mailbox_left = 1
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @agents BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
-- include: parts/end-messages.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @done AS done, CAST(CASE WHEN @done = 1000 /* MAINTENANCE_BATCH_ROWS */ OR @agents = 100 /* MAILBOXES_PER_TRANSACTION */ THEN 1 ELSE 0 END AS bit) AS more;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
