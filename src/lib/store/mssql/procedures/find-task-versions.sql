-- The versions of tasks that somebody waits for; archived ones are not here.
CREATE PROCEDURE release.find_task_versions
  @tasks nvarchar(max)
AS
SELECT t.task_id, t.version
FROM OPENJSON(@tasks) WITH (task_id varchar(128)) AS i
JOIN dbo.tasks AS t ON t.task_id = i.task_id COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
