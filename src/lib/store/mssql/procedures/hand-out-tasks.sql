-- Hands out tasks that wait although a worker could take them, each in its turn among those of its demand. Room was made
-- after they were weighed.
CREATE PROCEDURE release.hand_out_tasks
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-hand-out.sql
INSERT INTO @unblocked (task_no)
SELECT DISTINCT j.task_no FROM OPENJSON(@items) WITH (task_no bigint '$.taskNo') AS j;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * @@ROWCOUNT;
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT j.item, NULL AS code, NULL AS subject, t.status, t.attempt, a.agent_id AS assigned_to
FROM OPENJSON(@items) WITH (item int, task_no bigint '$.taskNo') AS j JOIN dbo.tasks AS t ON t.task_no = j.task_no
LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no AND t.status <> 'pending';
