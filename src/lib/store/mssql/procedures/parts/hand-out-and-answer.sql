-- What waits for the slots that have become free; then the answers, with how the task went on: from its row, or from the archive.
INSERT INTO @freed (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE c.code IS NULL AND c.agent_no IS NOT NULL;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT c.item, c.code, NULL AS subject, c.inactive, c.answer, e.becomes, c.cancel_requested,
  (SELECT z.assignments FROM dbo.task_archive AS z JOIN dbo.agents AS w ON w.agent_no = c.agent_no
    WHERE c.task_no IS NULL AND z.task_id = c.task_id AND w.status <> 'deregistered' AND w.registered_at <= z.ended_at) AS archived
FROM @calls AS c LEFT JOIN @endings AS e ON e.task_no = c.task_no AND c.code IS NULL AND c.answer IS NULL;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
