-- Drops demands that no task has any more. Apart from the archiving, for demands come first in the order of locks; a
-- task that takes one up meanwhile holds it by a foreign key: a lost race for one of the two.
CREATE PROCEDURE release.drop_unused_demands
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @unused TABLE (demand_no int NOT NULL PRIMARY KEY);
INSERT INTO @unused (demand_no)
SELECT CAST(j.[value] AS int) FROM OPENJSON(@items, '$[0].demandNos') AS j;
DELETE u FROM @unused AS u WHERE EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.demand_no = u.demand_no);
DELETE d FROM @unused AS u JOIN dbo.demands AS d ON d.demand_no = u.demand_no
OPTION (LOOP JOIN, FORCE ORDER);
SELECT @@ROWCOUNT AS done;
