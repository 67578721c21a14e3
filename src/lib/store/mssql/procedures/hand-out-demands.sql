-- The sweep: hands out tasks that name no agent, of the next demands in order. A loose walk of the index: one seek for
-- each demand, whatever the number of tasks.
CREATE PROCEDURE release.hand_out_demands
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- For callers that know where tasks wait (others use HAND_OUT): demands, whose tasks anybody may take who meets them,
-- and agents that tasks name; one of the two in each row.
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
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
-- What HAND_OUT works with: @freed agents that may have room now, @unblocked tasks that wait since now, and at most
-- @handOutLimit tasks to hand out (to be set: HANDOUTS_PER_CALL for each call). Needs DECLARE_COUNTS and
-- DECLARE_DELIVERABLE. @handedOut: how many were.
DECLARE @freed release.agent_numbers;
DECLARE @unblocked release.task_numbers;
DECLARE @handOutLimit int, @handedOut int = 0;
SET @handOutLimit = 100 /* HANDOUTS_PER_BATCH */;
EXEC @handedOut = release.hand_out_sources @sources, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT @handedOut AS handed_out, @last AS last, CAST(CASE WHEN @source IS NULL THEN 0 ELSE 1 END AS bit) AS [full];
