-- What the tasks of @plan add to which counter. $(ofTask): what each task changes itself.
SELECT n.name, SUM(n.delta) AS delta FROM (
  SELECT k.name, k.delta FROM @plan AS p CROSS APPLY (VALUES $(ofTask),
    ('messages:queued', CASE WHEN p.receiver_no IS NULL THEN 0 ELSE 1 END),
    (CONCAT('mailbox:', p.receiver_no), CASE WHEN p.receiver_no IS NULL THEN 0 ELSE 1 END),
    ('tasks:assigned_once', CASE WHEN p.agent_no IS NOT NULL AND p.attempt = 1 THEN 1 ELSE 0 END)) AS k (name, delta)
  WHERE p.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled')
  UNION ALL
  SELECT CONCAT('set:', l.set_no, ':free'), -1
  FROM (SELECT DISTINCT agent_no FROM @plan WHERE agent_no IS NOT NULL) AS a
  JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no WHERE l.assignable = 0) AS n
GROUP BY n.name HAVING SUM(n.delta) <> 0
