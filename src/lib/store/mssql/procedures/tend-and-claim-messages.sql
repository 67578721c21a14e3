-- A claim that has met something to work off in its mailbox: that is done first, in transactions of its own. One item.
-- Recordsets: the agents to wake; those of claim-messages; unfinished (there is more to work off).
CREATE PROCEDURE release.tend_and_claim_messages
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @clockOffset bigint
AS
SET NOCOUNT ON;
DECLARE @mailboxNo int, @types nvarchar(max), @unfinished bit = 0, @lost int;
SELECT @mailboxNo = CASE WHEN x.channel IS NULL THEN a.agent_no ELSE q.channel_no END, @types = x.types
FROM OPENJSON(@items) WITH (agent_id varchar(128), channel varchar(100), types nvarchar(max) AS JSON) AS x
JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2 AND a.status <> 'deregistered'
LEFT JOIN dbo.channels AS q ON q.name = x.channel COLLATE Latin1_General_100_BIN2 AND q.kind = 'work_queue';
IF @mailboxNo IS NOT NULL
BEGIN
  EXEC @lost = release.tend_mailbox @mailboxNo, @types, @clockOffset, @unfinished OUTPUT;
  IF @lost <> 0 RETURN @lost;
END;
EXEC @lost = release.claim_messages @items, @renewalMilliseconds, @auditMessages, 1, @clockOffset;
SELECT @unfinished AS unfinished;
RETURN @lost;
