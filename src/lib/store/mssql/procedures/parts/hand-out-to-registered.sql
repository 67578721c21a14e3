-- Sets that the agents of @status_changes have left, by deregistering or for another set, cost assignments nothing
-- once no agent is left in them; a set that not even a deregistered agent has is dropped. After the COMMIT, in a
-- transaction of its own. A row is written before its agents are looked at: so whoever comes in has either committed
-- by then, and is seen, or finds the set as it is then. Not done (another one holds the lock for too long), a set
-- only costs a look.
IF EXISTS (SELECT 1 FROM @status_changes AS s WHERE (s.status = 'deregistered' OR s.set_no <> s.was_set_no)
  AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = s.was_set_no AND a.status <> 'deregistered'))
BEGIN
  DECLARE @idle TABLE (set_no int NOT NULL PRIMARY KEY, taken bit NOT NULL);
  DECLARE @idlePairs TABLE (demand_no int NOT NULL, set_no int NOT NULL, PRIMARY KEY (demand_no, set_no));
  DECLARE @idleLock int;
  INSERT INTO @idle (set_no, taken)
  SELECT DISTINCT s.was_set_no, 0 FROM @status_changes AS s WHERE (s.status = 'deregistered' OR s.set_no <> s.was_set_no)
    AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = s.was_set_no AND a.status <> 'deregistered');
  BEGIN TRANSACTION;
  -- One maker at a time, to the end of the transaction.
  EXEC @idleLock = sp_getapplock @Resource = N'capabilities', @LockMode = N'Exclusive',
      @LockOwner = N'Transaction', @LockTimeout = 5000;
  IF @idleLock >= 0
  BEGIN
    UPDATE c SET paired = 0, entries = c.entries + 1 FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no
    OPTION (LOOP JOIN, FORCE ORDER);
    UPDATE i SET taken = 1 FROM @idle AS i
    WHERE EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = i.set_no AND a.status <> 'deregistered');
    UPDATE c SET paired = 1 FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no WHERE i.taken = 1
    OPTION (LOOP JOIN, FORCE ORDER);
    INSERT INTO @idlePairs (demand_no, set_no)
    SELECT d.demand_no, d.set_no FROM @idle AS i JOIN dbo.demand_sets AS d ON d.set_no = i.set_no WHERE i.taken = 0;
    DELETE d FROM @idlePairs AS p JOIN dbo.demand_sets AS d ON d.demand_no = p.demand_no AND d.set_no = p.set_no
    OPTION (LOOP JOIN, FORCE ORDER);
    DELETE i FROM @idle AS i WHERE i.taken = 1 OR EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.set_no = i.set_no);
    DELETE c FROM @idle AS i JOIN dbo.capability_sets AS c ON c.set_no = i.set_no
    OPTION (LOOP JOIN, FORCE ORDER);
    DELETE c FROM @idle AS i CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
    JOIN dbo.counters AS c ON c.name = CONCAT('set:', i.set_no, k.kind)
    OPTION (LOOP JOIN, FORCE ORDER);
  END;
  COMMIT TRANSACTION;
END;
INSERT INTO @freed (agent_no)
SELECT l.agent_no FROM @registering AS r JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no WHERE l.assignable = 1;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @registering);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
