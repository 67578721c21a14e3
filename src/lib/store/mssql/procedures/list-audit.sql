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
DECLARE @low bigint, @high bigint, @middle bigint, @found bigint, @lowest bigint = -9007199254740991, @behind bigint = @before;
IF @numbersFrom IS NOT NULL
BEGIN
  SET @low = COALESCE((SELECT MIN(e.entry_no) FROM audit.entries AS e), 0);
  SET @high = COALESCE((SELECT MAX(e.entry_no) FROM audit.entries AS e), -1) + 1;
  WHILE @low < @high
  BEGIN
    SET @middle = @low + (@high - @low) / 2;
    SET @found = (SELECT TOP (1) e.at FROM audit.entries AS e WHERE e.entry_no >= @middle ORDER BY e.entry_no);
    IF @found < @numbersFrom SET @low = @middle + 1;
    ELSE SET @high = @middle;
  END;
  SET @lowest = @low;
END;
IF @numbersTo IS NOT NULL
BEGIN
  SET @low = COALESCE((SELECT MIN(e.entry_no) FROM audit.entries AS e), 0);
  SET @high = COALESCE((SELECT MAX(e.entry_no) FROM audit.entries AS e), -1) + 1;
  WHILE @low < @high
  BEGIN
    SET @middle = @low + (@high - @low) / 2;
    SET @found = (SELECT TOP (1) e.at FROM audit.entries AS e WHERE e.entry_no >= @middle ORDER BY e.entry_no);
    IF @found < @numbersTo SET @low = @middle + 1;
    ELSE SET @high = @middle;
  END;
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
