-- At most one seek for each stream, one for the leases, and one for what a claim lets join its ordering key: in the
-- order in which they are likely to say yes.
CREATE PROCEDURE release.find_deliverable
  @agentIds nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @asked TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY);
INSERT INTO @asked (agent_id) SELECT i.value FROM OPENJSON(@agentIds) AS i;
SELECT q.agent_id
FROM @asked AS q LEFT JOIN dbo.agents AS a ON a.agent_id = q.agent_id
WHERE a.agent_no IS NULL OR a.status = 'deregistered'
  OR EXISTS (SELECT 1 FROM (VALUES (0), (1), (2), (3)) AS p (priority)
    CROSS APPLY (SELECT TOP (1) m.arrival FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.held = 0
      AND m.status = 'queued' AND m.priority = p.priority AND m.available_at <= @now) AS h)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'leased' AND m.lease_expires_at <= @now)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.joined = 0 AND m.status = 'queued'
    AND m.available_at <= @now);
