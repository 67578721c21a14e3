-- An agent that takes up a set while it is dropped holds it by a foreign key: a lost race for one of the two.
CREATE PROCEDURE release.drop_unused_sets
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @unused TABLE (set_no int NOT NULL PRIMARY KEY);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @done int;
INSERT INTO @unused (set_no)
SELECT TOP (100 /* SETS_PER_TRANSACTION */) c.set_no FROM dbo.capability_sets AS c
WHERE c.set_no > @after AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = c.set_no) ORDER BY c.set_no;
SET @done = @@ROWCOUNT;
IF @done = 0
BEGIN
  SELECT 0 AS done, @next AS next;
  RETURN;
END;
IF @done = 100 /* SETS_PER_TRANSACTION */ SET @next = (SELECT MAX(u.set_no) FROM @unused AS u);
BEGIN TRANSACTION;
DELETE c FROM @unused AS u JOIN dbo.capability_sets AS c ON c.set_no = u.set_no
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @@ROWCOUNT;
DELETE c FROM @unused AS u
CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
JOIN dbo.counters AS c ON c.name = CONCAT('set:', u.set_no, k.kind)
OPTION (LOOP JOIN, FORCE ORDER);
COMMIT TRANSACTION;
SELECT @done AS done, @next AS next;
