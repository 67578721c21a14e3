-- Whether a write is accepted: a full database or log and a read-only database refuse it as they would refuse a send.
-- Nothing stays of it.
CREATE PROCEDURE release.probe_write
AS
SET NOCOUNT, XACT_ABORT ON;
BEGIN TRANSACTION;
INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (NEWID(), N'{}', 0);
ROLLBACK TRANSACTION;
