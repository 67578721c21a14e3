-- The sweep: hands out tasks that name no agent, of the next demands in order. A loose walk of the index: one seek for
-- each demand, whatever the number of tasks.
CREATE PROCEDURE release.hand_out_demands
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
  SET @source = (SELECT MIN(t.demand_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NULL AND t.demand_no > @after);
  IF @source IS NULL BREAK;
  INSERT INTO @sources (demand_no) SELECT @source
  WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS s JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1
    WHERE s.demand_no = @source);
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
