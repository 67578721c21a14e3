-- What a rule has decided beside the rows: its entries of the audit; and that this try of @operation was written.
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, x.actor, x.action, x.subject_kind, x.subject_id, REPLACE(REPLACE(x.detail COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
FROM OPENJSON(@entries) WITH (n int, actor varchar(128), action varchar(64), subject_kind varchar(24),
  subject_id varchar(160), detail nvarchar(2000)) AS x
ORDER BY x.n;
INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
  VALUES (@operation, CONCAT(N'{"try":', @try, N'}'), @now);
