-- Puts a schedule in the place of the version @was (NULL: there was none; @deleted 1: there will be none). @contents NULL: they stay.
CREATE PROCEDURE release.write_schedule
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @scheduleId varchar(128),
  @was bigint,
  @deleted bit,
  @supervisorNo int,
  @cron nvarchar(200),
  @timezone varchar(64),
  @overlap varchar(64),
  @enabled bit,
  @creates varchar(64),
  @contents nvarchar(max),
  @keyVersion varchar(64),
  @dueAt bigint,
  @plannedAt bigint,
  @refusals int,
  @firings nvarchar(max),
  @updatedAt bigint
AS
-- include: parts/begin-decided.sql
BEGIN TRANSACTION;
IF @deleted = 1
BEGIN
  DELETE FROM dbo.schedules WHERE schedule_id = @scheduleId AND version = @was;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @deleted = 0 AND @was IS NOT NULL
BEGIN
  UPDATE dbo.schedules SET cron = @cron, timezone = @timezone, overlap = @overlap, enabled = @enabled, creates = @creates,
    contents = COALESCE(@contents, contents), key_version = CASE WHEN @contents IS NULL THEN key_version ELSE @keyVersion END,
    due_at = @dueAt, planned_at = @plannedAt, refusals = @refusals, firings = @firings, version = version + 1, updated_at = @updatedAt
  WHERE schedule_id = @scheduleId AND version = @was;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @deleted = 0 AND @was IS NULL
  INSERT INTO dbo.schedules (schedule_id, supervisor_no, cron, timezone, overlap, enabled, creates, contents, key_version, due_at, planned_at, refusals,
    firings, version, created_at, updated_at)
  VALUES (@scheduleId, @supervisorNo, @cron, @timezone, @overlap, @enabled, @creates, @contents, @keyVersion, @dueAt, @plannedAt, @refusals,
    @firings, 1, @updatedAt, @updatedAt);
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
