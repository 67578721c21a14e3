-- Makes the sets of @sets that are new, and matches them, and those that all agents had left, with every demand. In a
-- transaction of its own, outside that of the verb and after its refusals: a set that nobody has in the end is
-- dropped by maintenance. Then read set_no by capabilities_hash (a set dropped in between violates the agent's
-- foreign key: a lost race).
IF EXISTS (SELECT 1 FROM @sets AS s WHERE NOT EXISTS (
  SELECT 1 FROM dbo.capability_sets AS c WHERE c.capabilities_hash = s.capabilities_hash AND c.paired = 1))
BEGIN
  DECLARE @capabilityLock int;
  DECLARE @newSets TABLE (set_no int NOT NULL PRIMARY KEY, capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL);
  DECLARE @pairing TABLE (set_no int NOT NULL PRIMARY KEY);
  BEGIN TRANSACTION;
  -- One maker at a time, to the end of the transaction.
  EXEC @capabilityLock = sp_getapplock @Resource = N'capabilities', @LockMode = N'Exclusive',
      @LockOwner = N'Transaction', @LockTimeout = 5000;
  IF @capabilityLock < 0
  -- include: parts/give-up.sql
  INSERT INTO dbo.capability_sets (capabilities_hash, capabilities)
  OUTPUT inserted.set_no, inserted.capabilities_hash INTO @newSets (set_no, capabilities_hash)
  SELECT s.capabilities_hash, s.capabilities FROM @sets AS s
  WHERE NOT EXISTS (SELECT 1 FROM dbo.capability_sets AS c WHERE c.capabilities_hash = s.capabilities_hash);
  INSERT INTO dbo.set_capabilities (capability, set_no)
  SELECT DISTINCT a.capability, n.set_no
  FROM @newSets AS n JOIN @sets AS s ON s.capabilities_hash = n.capabilities_hash
  CROSS APPLY OPENJSON(s.capabilities) WITH (capability varchar(128) '$') AS j
  -- As expandCapabilities(): name@version answers to name, too.
  CROSS APPLY (SELECT j.capability COLLATE Latin1_General_100_BIN2 AS capability UNION ALL
    SELECT LEFT(j.capability, NULLIF(CHARINDEX('@', j.capability), 0) - 1) COLLATE Latin1_General_100_BIN2
    WHERE CHARINDEX('@', j.capability) > 1) AS a;
  INSERT INTO @pairing (set_no)
  SELECT c.set_no FROM @sets AS s JOIN dbo.capability_sets AS c ON c.capabilities_hash = s.capabilities_hash WHERE c.paired = 0;
  UPDATE c SET paired = 1 FROM @pairing AS n JOIN dbo.capability_sets AS c ON c.set_no = n.set_no
  OPTION (LOOP JOIN, FORCE ORDER);
  INSERT INTO @pairing (set_no) SELECT n.set_no FROM @newSets AS n;
  -- Every demand whose capabilities are all among the set's; the empty demand always is.
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT d.demand_no, n.set_no FROM @pairing AS n CROSS JOIN dbo.demands AS d
  WHERE NOT EXISTS (
    SELECT 1 FROM OPENJSON(d.capabilities) WITH (capability varchar(128) '$') AS j
    WHERE NOT EXISTS (SELECT 1 FROM dbo.set_capabilities AS h
      WHERE h.set_no = n.set_no AND h.capability = j.capability COLLATE Latin1_General_100_BIN2));
  INSERT INTO dbo.counters (name, slot)
  SELECT CONCAT('set:', n.set_no, k.kind), s.slot
  FROM @newSets AS n CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
  CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
  COMMIT TRANSACTION;
END;
