-- Refuses calls that would give an attempt more pairs of provider and model than it may have. @usage NULL: no call reports any.
IF @usage IS NOT NULL
  UPDATE c SET code = 'USAGE_LIMIT' FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND 32 /* USAGE_PAIRS_MAX */ < (
    SELECT COUNT(*) FROM (SELECT u.provider, u.model FROM dbo.task_usage AS u WHERE u.task_no = c.task_no AND u.attempt = c.attempt
      UNION SELECT j.provider COLLATE Latin1_General_100_BIN2, j.model COLLATE Latin1_General_100_BIN2
      FROM OPENJSON(@usage) WITH (item int, provider varchar(128), model varchar(128)) AS j WHERE j.item = c.item) AS p);
