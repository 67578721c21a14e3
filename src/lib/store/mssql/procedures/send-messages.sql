-- Sends messages to agents and work queues (#name): all of a call, or none. The first reason that applies refuses the call.
-- Table order: ordering_keys, messages, message_payloads, counters; then agent_heartbeats, after the commit.
CREATE PROCEDURE release.send_messages
  @items nvarchar(max),
  @maxMailbox int,
  @share int,
  @auditMessages bit,
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/read-sends.sql
-- Of calls with several messages: those before it count for the mailbox, those of its sender for the share, and one
-- refusal refuses them all. What was not counted, because the mailbox was not half full before the call, is counted
-- here.
UPDATE s SET refusal = CASE WHEN s.depth + t.ahead >= @maxMailbox THEN 'MAILBOX_FULL' ELSE 'SHARE_USED' END,
  depth = s.depth + t.ahead, accepted = 0
FROM @sends AS s JOIN (SELECT x.place, COUNT(*) OVER (PARTITION BY x.item, x.receiver_no ORDER BY x.place
    ROWS UNBOUNDED PRECEDING) - 1 AS ahead, COUNT(*) OVER (PARTITION BY x.item, x.receiver_no, x.sender_no ORDER BY x.place
    ROWS UNBOUNDED PRECEDING) - 1 AS own_ahead FROM @sends AS x WHERE x.accepted = 1) AS t ON t.place = s.place
OUTER APPLY (SELECT COUNT(*) AS own FROM (SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE s.own IS NULL AND (s.depth + t.ahead) * 2 > @maxMailbox AND m.receiver_no = s.receiver_no AND m.sender_no = s.sender_no
    AND m.status IN ('queued', 'leased')) AS y) AS w
WHERE s.depth + t.ahead >= @maxMailbox
  OR ((s.depth + t.ahead) * 2 > @maxMailbox AND COALESCE(s.own, w.own) + t.own_ahead > @share);
UPDATE s SET accepted = 0
FROM @sends AS s JOIN @sends AS x ON x.item = s.item WHERE x.refusal IS NOT NULL AND s.accepted = 1;
DECLARE @accepted bigint = (SELECT COUNT(*) FROM @sends WHERE accepted = 1);
IF @accepted > 0
BEGIN
  DECLARE @number bigint, @second varchar(48) = CONCAT('accepted:', @now / 1000);
  BEGIN TRANSACTION;
  DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, added int NOT NULL, head int NOT NULL,
    PRIMARY KEY (receiver_no, ordering_key));
  INSERT INTO @keys (receiver_no, ordering_key, added, head)
  SELECT s.receiver_no, s.ordering_key, COUNT(*), MIN(s.place) FROM @sends AS s
  WHERE s.accepted = 1 AND s.joined = 1 AND s.ordering_key IS NOT NULL GROUP BY s.receiver_no, s.ordering_key;
  DECLARE @keyRows int = @@ROWCOUNT, @joinedRows int;
  IF @keyRows > 0
  BEGIN
    -- include: parts/add-to-ordering-keys.sql
    UPDATE s SET held = 1
    FROM @keys AS a JOIN @sends AS s ON s.receiver_no = a.receiver_no AND s.ordering_key = a.ordering_key
    JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    WHERE s.accepted = 1 AND s.joined = 1 AND (s.place > a.head OR k.unsettled > a.added);
  END;
  -- include: parts/insert-sends.sql
  COMMIT TRANSACTION;
END;
-- include: parts/answer-sends.sql
