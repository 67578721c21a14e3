-- The attempt stays used, for it is the fencing number; so there is one more.
CREATE PROCEDURE release.give_back_messages
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @given TABLE (arrival bigint NOT NULL PRIMARY KEY, attempt int NOT NULL, available_at bigint NOT NULL);
DECLARE @givenRows int;
INSERT INTO @given (arrival, attempt, available_at)
SELECT m.arrival, m.attempt, MAX(@now + CAST(JSON_VALUE(i.value, '$.delay') AS bigint))
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.messages') WITH (message_id varchar(128), attempt int) AS x
JOIN dbo.agents AS a ON a.agent_id = CAST(JSON_VALUE(i.value, '$.agent_id') AS varchar(128)) COLLATE Latin1_General_100_BIN2
JOIN dbo.messages AS m ON m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
WHERE (m.receiver_no = a.agent_no OR m.holder = a.agent_id) AND m.attempt = x.attempt AND m.status = 'leased'
GROUP BY m.arrival, m.attempt
OPTION (LOOP JOIN, FORCE ORDER);
SET @givenRows = @@ROWCOUNT;
IF @givenRows > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE m SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = g.available_at,
    attempt_limit = m.attempt_limit + 1
  FROM @given AS g JOIN dbo.messages AS m ON m.arrival = g.arrival
  WHERE m.status = 'leased' AND m.attempt = g.attempt
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @givenRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:queued' THEN @givenRows ELSE -@givenRows END
  WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
  COMMIT TRANSACTION;
END;
SELECT @givenRows AS given;
