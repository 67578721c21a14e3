-- Entries of the audit, newest first, within a window of numbers: a filter without an index reads at most @scan entries.
CREATE PROCEDURE release.list_audit
  @before bigint,
  @numbersFrom bigint,
  @numbersTo bigint,
  @scan int,
  @limit int,
  @from bigint,
  @to bigint,
  @actor varchar(128),
  @action varchar(64),
  @subjectKind varchar(64),
  @subjectId varchar(160)
AS
DECLARE @looked TABLE (entry_no bigint NOT NULL PRIMARY KEY);
DECLARE @low bigint, @high bigint, @middle bigint, @found bigint, @lowest bigint = -9007199254740991, @behind bigint = @before,
  @time bigint = @numbersFrom;
IF @time IS NOT NULL
BEGIN
  -- include: parts/number-since.sql
  SET @lowest = @low;
END;
SET @time = @numbersTo;
IF @time IS NOT NULL
BEGIN
  -- include: parts/number-since.sql
  SET @behind = @low;
END;
IF @behind > @before SET @behind = @before;
INSERT INTO @looked (entry_no)
SELECT TOP (@scan) e.entry_no FROM audit.entries AS e
WHERE e.entry_no >= @lowest AND e.entry_no < @behind
ORDER BY e.entry_no DESC;
SELECT TOP (@limit) e.entry_no, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.detail
FROM @looked AS l JOIN audit.entries AS e ON e.entry_no = l.entry_no
WHERE (@from IS NULL OR e.at >= @from) AND (@to IS NULL OR e.at < @to)
  AND (@actor IS NULL OR e.actor = @actor) AND (@action IS NULL OR e.action = @action)
  AND (@subjectKind IS NULL OR e.subject_kind = @subjectKind) AND (@subjectId IS NULL OR e.subject_id = @subjectId)
ORDER BY e.entry_no DESC;
SELECT l.entry_no FROM @looked AS l ORDER BY l.entry_no DESC OFFSET (@scan - 1) ROWS FETCH NEXT 1 ROWS ONLY;
