-- The probes in one round trip. @write: the write is tried as well.
CREATE PROCEDURE release.health
  @write bit,
  @clockOffset bigint
AS
EXEC release.probe_messages @clockOffset;
EXEC release.probe_agents @clockOffset;
IF @write = 1 EXEC release.probe_write @clockOffset;
