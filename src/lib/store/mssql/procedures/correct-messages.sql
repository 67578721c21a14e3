-- One page of messages, by arrival: times that record the past and lie in the future become now. A message without a
-- delay is due when it was accepted, and its time to live counts from then.
CREATE PROCEDURE release.correct_messages
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @page TABLE (no bigint NOT NULL PRIMARY KEY);
DECLARE @after bigint = JSON_VALUE(@items, '$[0].after'), @next bigint, @read int, @done int = 0;
INSERT INTO @page (no)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) x.arrival FROM dbo.messages AS x WHERE x.arrival > @after ORDER BY x.arrival;
SET @read = @@ROWCOUNT;
IF @read = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(p.no) FROM @page AS p);
BEGIN TRANSACTION;
UPDATE m SET available_at = CASE WHEN (m.accepted_at > @now + 60000 /* AHEAD_MILLISECONDS */ AND m.available_at = m.accepted_at) OR m.available_at > @now + 31536060000 /* MESSAGE_DUE_MAX_MILLISECONDS */
    THEN @now ELSE m.available_at END,
  expires_at = CASE WHEN m.accepted_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN m.expires_at - (m.accepted_at - @now) ELSE m.expires_at END,
  lease_expires_at = CASE WHEN m.lease_expires_at > @now + 43260000 /* LEASE_END_MAX_MILLISECONDS */ THEN @now ELSE m.lease_expires_at END,
  accepted_at = CASE WHEN m.accepted_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE m.accepted_at END, ended_at = CASE WHEN m.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE m.ended_at END
FROM @page AS p JOIN dbo.messages AS m ON m.arrival = p.no
WHERE m.accepted_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR m.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR m.available_at > @now + 31536060000 /* MESSAGE_DUE_MAX_MILLISECONDS */ OR m.lease_expires_at > @now + 43260000 /* LEASE_END_MAX_MILLISECONDS */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
COMMIT TRANSACTION;
SELECT @done AS done, @next AS next;
