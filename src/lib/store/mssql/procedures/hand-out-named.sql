-- The sweep: hands out tasks that name an agent, of the next named agents in order; one seek for each.
CREATE PROCEDURE release.hand_out_named
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Where tasks wait: demands, whose tasks every worker that meets them may take, and agents that tasks name; one of the
-- two in each row.
DECLARE @sources release.task_sources;
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @source int, @last int, @probed int = 0;
WHILE @probed < 250 /* SOURCES_PER_BATCH */
BEGIN
  SET @source = (SELECT MIN(t.assign_to_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NOT NULL AND t.assign_to_no > @after);
  IF @source IS NULL BREAK;
  INSERT INTO @sources (named_no) SELECT l.agent_no FROM dbo.agent_loads AS l WHERE l.agent_no = @source AND l.assignable = 1;
  SET @last = @source;
  SET @after = @source;
  SET @probed = @probed + 1;
END;
IF NOT EXISTS (SELECT 1 FROM @sources)
BEGIN
  SELECT 0 AS handed_out, @last AS last, CAST(CASE WHEN @source IS NULL THEN 0 ELSE 1 END AS bit) AS [full];
  RETURN;
END;
DECLARE @handOutLimit int = 100 /* HANDOUTS_PER_BATCH */, @handedOut int;
EXEC @handedOut = release.hand_out_sources @sources, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT @handedOut AS handed_out, @last AS last, CAST(CASE WHEN @source IS NULL THEN 0 ELSE 1 END AS bit) AS [full];
