-- What assign-tasks would weigh and choose now, as if every dependency had completed. It writes nothing.
CREATE PROCEDURE release.preview_assignment
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-new-tasks.sql
-- include: parts/declare-choice.sql
-- include: parts/check-new-tasks.sql
DECLARE @needed TABLE (capability varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY);
DECLARE @meeting TABLE (set_no int NOT NULL PRIMARY KEY);
INSERT INTO @needed (capability)
SELECT CAST(j.value AS varchar(128)) FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.capabilities') AS j;
INSERT INTO @meeting (set_no) SELECT h.set_no FROM @needed AS x JOIN dbo.set_capabilities AS h ON h.capability = x.capability
GROUP BY h.set_no HAVING COUNT(*) = (SELECT COUNT(*) FROM @needed)
UNION ALL
SELECT c.set_no FROM dbo.capability_sets AS c WHERE NOT EXISTS (SELECT 1 FROM @needed);
-- A task that is there already is weighed as if it named nobody, as the embedded store does.
SELECT @namedNo = CASE WHEN becomes = 'repeat' THEN NULL ELSE named_no END, @preferred = preferred FROM @plan;
-- include: parts/weigh.sql
--   sets = @meeting
SELECT code, subject, @explanation AS explanation FROM @plan;
