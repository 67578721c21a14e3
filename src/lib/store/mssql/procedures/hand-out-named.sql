-- The sweep: hands out tasks that name an agent, of the next named agents in order; one seek for each.
CREATE PROCEDURE release.hand_out_named
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/hand-out-after.sql
--   next = (SELECT MIN(t.assign_to_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NOT NULL AND t.assign_to_no > @after)
--   source = (named_no) SELECT l.agent_no FROM dbo.agent_loads AS l WHERE l.agent_no = @source AND l.assignable = 1
