-- Hands out the tasks that the agents of @freed may take, and those whose demand or named agent is that of a task of
-- @unblocked; at most @handOutLimit, or as many as are in @unblocked. Called after the commit of what made room or let a task wait, outside any transaction:
-- so of two such calls one sees the other. Returns how many were handed out; -1: a race was lost.
CREATE PROCEDURE release.hand_out
  @freed release.agent_numbers READONLY,
  @unblocked release.task_numbers READONLY,
  @handOutLimit int,
  @clockOffset bigint
AS
SET NOCOUNT ON;
DECLARE @handedOut int = 0;
-- The common path, where nothing waits, is this one look. (Tasks of @unblocked may ask a question, and wait for no agent.)
IF EXISTS (SELECT 1 FROM @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no AND t.status = 'pending')
  OR EXISTS (SELECT 1 FROM @freed AS f JOIN dbo.agent_loads AS l ON l.agent_no = f.agent_no AND l.assignable = 1 WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS d
  JOIN dbo.tasks AS t ON t.demand_no = d.demand_no AND t.status = 'pending' AND t.assign_to_no IS NULL WHERE d.set_no = l.set_no) OR EXISTS (SELECT 1 FROM dbo.tasks AS t
  WHERE t.assign_to_no = l.agent_no AND t.assign_to_no IS NOT NULL AND t.status = 'pending'))
BEGIN
  -- Where tasks wait: demands, whose tasks every worker that meets them may take, and agents that tasks name; one of the
  -- two in each row.
  DECLARE @sources release.task_sources;
  INSERT INTO @sources (demand_no, named_no)
  SELECT d.demand_no, NULL FROM @freed AS f JOIN dbo.agent_loads AS l ON l.agent_no = f.agent_no AND l.assignable = 1 JOIN dbo.demand_sets AS d ON d.set_no = l.set_no
  WHERE EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.demand_no = d.demand_no AND t.status = 'pending' AND t.assign_to_no IS NULL)
  UNION SELECT NULL, l.agent_no FROM @freed AS f JOIN dbo.agent_loads AS l ON l.agent_no = f.agent_no AND l.assignable = 1 WHERE EXISTS (SELECT 1 FROM dbo.tasks AS t
    WHERE t.assign_to_no = l.agent_no AND t.assign_to_no IS NOT NULL AND t.status = 'pending')
  UNION SELECT CASE WHEN t.assign_to_no IS NULL THEN t.demand_no END, t.assign_to_no
  FROM @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no WHERE t.status = 'pending';
  IF @handOutLimit < (SELECT COUNT(*) FROM @unblocked) SET @handOutLimit = (SELECT COUNT(*) FROM @unblocked);
  EXEC @handedOut = release.hand_out_sources @sources, @handOutLimit, @clockOffset;
END;
RETURN @handedOut;
