-- The sweep: hands out tasks that name no agent, of the next demands in order. A loose walk of the index: one seek for
-- each demand, whatever the number of tasks.
CREATE PROCEDURE release.hand_out_demands
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/hand-out-after.sql
--   next = (SELECT MIN(t.demand_no) FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NULL AND t.demand_no > @after)
--   source = (demand_no) SELECT @source
--     WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS s JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1
--     WHERE s.demand_no = @source)
