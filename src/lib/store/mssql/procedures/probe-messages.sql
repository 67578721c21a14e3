-- Whether messages can be read.
CREATE PROCEDURE release.probe_messages
AS
SELECT TOP (1) m.arrival FROM dbo.messages AS m;
