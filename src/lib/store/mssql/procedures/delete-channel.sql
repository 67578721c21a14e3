-- Deletes a channel as it was read. Its members and grants go with the row; what is in its mailbox is the sweep's.
CREATE PROCEDURE release.delete_channel
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @channelNo int,
  @wereMembers int,
  @wereGrants int
AS
-- include: parts/begin-decided.sql
BEGIN TRANSACTION;
DELETE FROM dbo.channels WHERE channel_no = @channelNo AND members = @wereMembers AND grants = @wereGrants;
IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
UPDATE dbo.agents SET status = 'deregistered', status_changed_at = @now, mailbox_left = 1
WHERE agent_no = @channelNo AND status = 'active';
IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
UPDATE dbo.agent_heartbeats SET beating = 0 WHERE agent_no = @channelNo;
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
