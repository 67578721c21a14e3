-- After the commit of a registration: lets go of the sets that its agents have left, and hands out what they can take.
-- include: parts/leave-sets.sql
INSERT INTO @freed (agent_no)
SELECT l.agent_no FROM @registering AS r JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no WHERE l.assignable = 1;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @registering);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
