-- Whether the contents of tasks are encrypted.
CREATE PROCEDURE release.sensitive_tasks
  @items nvarchar(max)
AS
SELECT i.item, CASE WHEN COALESCE(b.key_version, z.key_version) IS NOT NULL THEN 1
  WHEN b.task_no IS NOT NULL OR z.task_id IS NOT NULL THEN 0 END AS value
FROM OPENJSON(@items) WITH (item int, task_id varchar(128)) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
LEFT JOIN dbo.task_archive AS z ON z.task_id = i.task_id COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
