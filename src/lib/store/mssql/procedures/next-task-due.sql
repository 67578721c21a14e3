-- When the next sweep of tasks has something to do that time alone brings about. Seeks: one for what expires, one for
-- what is not started, one for questions, five for each demand and each named agent with waiting tasks.
CREATE PROCEDURE release.next_task_due
  @after bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @at bigint, @first bigint, @source int;
SELECT @at = MIN(t.expires_at) FROM dbo.tasks AS t WHERE t.expires_at IS NOT NULL AND t.ended_at IS NULL;
SELECT @first = MIN(t.start_deadline_at) FROM dbo.tasks AS t WHERE t.status = 'assigned' AND t.start_timeout_milliseconds IS NOT NULL;
IF @at IS NULL OR @first < @at SET @at = @first;
SELECT @first = MIN(q.expires_at) FROM dbo.task_questions AS q WHERE q.state = 'open' AND q.expires_at IS NOT NULL;
IF @at IS NULL OR @first < @at SET @at = @first;
SET @source = (SELECT MIN(t.demand_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NULL);
WHILE @source IS NOT NULL
BEGIN
  SELECT @first = MIN(h.available_at) FROM (VALUES (0), (1), (2), (3)) AS p (priority)
  CROSS APPLY (SELECT TOP (1) t.available_at FROM dbo.tasks AS t WHERE t.demand_no = @source AND t.priority = p.priority
    AND t.status = 'pending' AND t.assign_to_no IS NULL AND t.available_at > @after ORDER BY t.available_at) AS h;
  IF @at IS NULL OR @first < @at SET @at = @first;
  SET @source = (SELECT MIN(t.demand_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NULL AND t.demand_no > @source);
END;
SET @source = (SELECT MIN(t.assign_to_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NOT NULL);
WHILE @source IS NOT NULL
BEGIN
  SELECT @first = MIN(h.available_at) FROM (VALUES (0), (1), (2), (3)) AS p (priority)
  CROSS APPLY (SELECT TOP (1) t.available_at FROM dbo.tasks AS t WHERE t.assign_to_no = @source AND t.priority = p.priority
    AND t.status = 'pending' AND t.assign_to_no IS NOT NULL AND t.available_at > @after ORDER BY t.available_at) AS h;
  IF @at IS NULL OR @first < @at SET @at = @first;
  SET @source = (SELECT MIN(t.assign_to_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NOT NULL AND t.assign_to_no > @source);
END;
SELECT @at AS at;
