-- Makes the demands of @demands that are new, and matches them with every set: those that have as many of its
-- capabilities as it names. As intern-capability-sets: a transaction of its own, after the refusals; then read
-- demand_no by hash.
IF EXISTS (SELECT 1 FROM @demands AS n WHERE NOT EXISTS (
  SELECT 1 FROM dbo.demands AS d WHERE d.capabilities_hash = n.capabilities_hash))
BEGIN
  DECLARE @capabilityLock int;
  DECLARE @newDemands TABLE (demand_no int NOT NULL PRIMARY KEY, capabilities nvarchar(max) NOT NULL);
  DECLARE @needed TABLE (demand_no int NOT NULL, capability varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, PRIMARY KEY (demand_no, capability));
  BEGIN TRANSACTION;
  -- One maker at a time, to the end of the transaction.
  EXEC @capabilityLock = sp_getapplock @Resource = N'capabilities', @LockMode = N'Exclusive',
      @LockOwner = N'Transaction', @LockTimeout = 5000;
  IF @capabilityLock < 0
  -- include: parts/give-up.sql
  INSERT INTO dbo.demands (capabilities_hash, capabilities)
  OUTPUT inserted.demand_no, inserted.capabilities INTO @newDemands (demand_no, capabilities)
  SELECT n.capabilities_hash, n.capabilities FROM @demands AS n
  WHERE NOT EXISTS (SELECT 1 FROM dbo.demands AS d WHERE d.capabilities_hash = n.capabilities_hash);
  INSERT INTO @needed (demand_no, capability)
  SELECT n.demand_no, j.capability
  FROM @newDemands AS n CROSS APPLY OPENJSON(n.capabilities) WITH (capability varchar(128) '$') AS j;
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT x.demand_no, h.set_no
  FROM @needed AS x JOIN dbo.set_capabilities AS h ON h.capability = x.capability
  JOIN dbo.capability_sets AS c ON c.set_no = h.set_no AND c.paired = 1
  GROUP BY x.demand_no, h.set_no
  HAVING COUNT(*) = (SELECT COUNT(*) FROM @needed AS y WHERE y.demand_no = x.demand_no);
  INSERT INTO dbo.demand_sets (demand_no, set_no)
  SELECT n.demand_no, c.set_no FROM @newDemands AS n CROSS JOIN dbo.capability_sets AS c
  WHERE c.paired = 1 AND NOT EXISTS (SELECT 1 FROM @needed AS x WHERE x.demand_no = n.demand_no);
  COMMIT TRANSACTION;
END;
