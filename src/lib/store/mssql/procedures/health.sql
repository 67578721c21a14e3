-- The probes in one round trip. @write: the write is tried as well.
CREATE PROCEDURE release.health
  @write bit
AS
EXEC release.probe_messages;
EXEC release.probe_agents;
IF @write = 1 EXEC release.probe_write;
