-- Hands out what waits behind the source that the call names, SOURCES_PER_BATCH sources at most.
-- $(next): the next source with waiting tasks; $(source): its row, if an agent has room for it.
-- Where tasks wait: demands, whose tasks every worker that meets them may take, and agents that tasks name; one of the
-- two in each row.
DECLARE @sources release.task_sources;
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @source int, @last int, @probed int = 0;
WHILE @probed < 250 /* SOURCES_PER_BATCH */
BEGIN
  SET @source = $(next);
  IF @source IS NULL BREAK;
  INSERT INTO @sources $(source);
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
