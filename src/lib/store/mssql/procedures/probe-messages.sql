-- Whether messages can be read.
CREATE PROCEDURE release.probe_messages
  @clockOffset bigint
AS
SELECT TOP (1) m.arrival FROM dbo.messages AS m;
