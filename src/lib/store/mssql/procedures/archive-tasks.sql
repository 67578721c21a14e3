-- Other processes may archive the same tasks at the same time: only what this one has deleted is put into the
-- archive. A finished task does not change any more, so its documents are what they were when they were read (or its
-- values have been encrypted again meanwhile: the version beside the document is of what is in it). Its parts go with
-- it; messages about it lose the reference and keep their text.
CREATE PROCEDURE release.archive_tasks
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- The contents stay in @items: they may be megabytes, and there are servers whose table variables lose texts of that size.
DECLARE @old TABLE (task_no bigint NOT NULL PRIMARY KEY, place int NOT NULL);
DECLARE @archived TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  supervisor_no int NOT NULL, ended_at bigint NOT NULL, attempt int NOT NULL, workflow_no bigint NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL, request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @done int;
-- include: parts/declare-counts.sql
INSERT INTO @old (task_no, place) SELECT CAST(n.[value] AS bigint), CAST(n.[key] AS int) FROM OPENJSON(@items, '$[0].taskNos') AS n;
BEGIN TRANSACTION;
DELETE FROM dbo.tasks OUTPUT deleted.task_no, deleted.task_id, deleted.status, deleted.supervisor_no, deleted.ended_at,
  deleted.attempt, deleted.workflow_no, deleted.idempotency_key, deleted.request_hash
INTO @archived (task_no, task_id, status, supervisor_no, ended_at, attempt, workflow_no, idempotency_key, request_hash)
WHERE task_no IN (SELECT o.task_no FROM @old AS o) AND ended_at IS NOT NULL;
SET @done = (SELECT COUNT(*) FROM @archived);
-- A workflow goes with its last task.
IF EXISTS (SELECT 1 FROM @archived WHERE workflow_no IS NOT NULL)
  DELETE w FROM (SELECT DISTINCT x.workflow_no FROM @archived AS x) AS d JOIN dbo.workflows AS w ON w.workflow_no = d.workflow_no
  WHERE w.ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.workflow_no = w.workflow_no);
INSERT INTO dbo.task_archive (task_id, status, supervisor_id, ended_at, attempt, idempotency_key, request_hash, task,
  key_version, result_key_version, assignments, events)
SELECT x.task_id, x.status, s.agent_id, x.ended_at, x.attempt, x.idempotency_key, x.request_hash,
  REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), CAST(k.[value] AS varchar(64)), CAST(r.[value] AS varchar(64)),
  REPLACE(REPLACE(a.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), REPLACE(REPLACE(e.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
FROM @archived AS x JOIN @old AS o ON o.task_no = x.task_no JOIN dbo.agents AS s ON s.agent_no = x.supervisor_no
JOIN OPENJSON(@items, '$[0].tasks') AS t ON CAST(t.[key] AS int) = o.place
JOIN OPENJSON(@items, '$[0].keyVersions') AS k ON k.[key] = t.[key]
JOIN OPENJSON(@items, '$[0].resultKeyVersions') AS r ON r.[key] = t.[key]
JOIN OPENJSON(@items, '$[0].assignments') AS a ON a.[key] = t.[key]
JOIN OPENJSON(@items, '$[0].events') AS e ON e.[key] = t.[key];
-- What is encrypted of them, beside the documents: of each task a list of texts, each a JSON object.
INSERT INTO dbo.task_archive_values (task_id, name, value, key_version)
SELECT x.task_id, CAST(w.name AS varchar(16)), w.value, CAST(w.key_version AS varchar(64))
FROM @archived AS x JOIN @old AS o ON o.task_no = x.task_no
JOIN OPENJSON(@items, '$[0].values') AS t ON CAST(t.[key] AS int) = o.place
CROSS APPLY OPENJSON(t.[value]) AS n
CROSS APPLY
  -- include: parts/read-value.sql
AS w;
INSERT INTO @counts (name, delta) SELECT CONCAT('tasks:', x.status), -COUNT(*) FROM @archived AS x GROUP BY x.status;
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @done AS done;
