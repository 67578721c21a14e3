-- How the tasks that tasks depend on, and the children of their last suspensions, have ended, and with what, in the archive, too. Results and errors come in the order of the dependencies while there is
-- room for their characters, of which there are no more than bytes: the caller counts these. They come for a task that somebody works on; of another one they are left out.
-- result_type: of a result in the archive, as OPENJSON has it (1: the text of a string).
-- Recordsets: the tasks that there are; their dependencies.
CREATE PROCEDURE release.get_dependencies
  @items nvarchar(max)
AS
SELECT x.item FROM OPENJSON(@items) WITH (item int, task_id varchar(128)) AS x
JOIN dbo.tasks AS t ON t.task_id = x.task_id COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
SELECT e.item, e.position, e.task_id, e.ref, e.status, e.result_key, e.result_type,
  CASE WHEN e.used <= e.room THEN e.result END AS result, CASE WHEN e.used <= e.room THEN e.error END AS error,
  CASE WHEN e.characters > 0 AND e.used > e.room THEN 1 ELSE 0 END AS left_out
FROM (SELECT s.*, SUM(s.characters) OVER (PARTITION BY s.item ORDER BY s.position ROWS UNBOUNDED PRECEDING) AS used
  FROM (SELECT x.item, d.position, d.depends_on AS task_id, COALESCE(d.ref, w.ref) AS ref, COALESCE(t.status, z.status) AS status, b.result, b.error, b.result_type,
      CASE WHEN t.task_no IS NULL THEN z.result_key_version ELSE o.key_version END AS result_key,
      CASE WHEN m.status IN ('assigned', 'running') THEN 262144 /* BROUGHT_RESULTS_MAX_BYTES */ ELSE 0 END AS room,
      CAST((COALESCE(DATALENGTH(b.result), 0) + COALESCE(DATALENGTH(b.error), 0)) / 2 AS bigint) AS characters
    FROM OPENJSON(@items) WITH (item int, task_id varchar(128)) AS x
    JOIN dbo.tasks AS m ON m.task_id = x.task_id COLLATE Latin1_General_100_BIN2
    JOIN dbo.task_dependencies AS d ON d.task_no = m.task_no AND (d.position < 200 /* DEPENDENCIES_MAX */ OR (m.suspensions > 0 AND d.position >= m.suspensions * 1000 /* CHILD_PLACES */))
    LEFT JOIN dbo.tasks AS t ON t.task_id = d.depends_on
    LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no AND t.ended_at IS NOT NULL
    LEFT JOIN dbo.task_archive AS z ON z.task_id = d.depends_on AND t.task_no IS NULL
    LEFT JOIN dbo.workflow_tasks AS w ON w.task_no = t.task_no AND w.workflow_no = m.workflow_no
    OUTER APPLY (SELECT MAX(CASE WHEN v.[key] = N'result' THEN v.value END) AS result, MAX(CASE WHEN v.[key] = N'result' THEN v.type END) AS type,
        MAX(CASE WHEN v.[key] = N'error' THEN v.value END) AS error
      FROM OPENJSON(z.task) AS v WHERE v.[key] IN (N'result', N'error')) AS k
    CROSS APPLY (SELECT COALESCE(o.result, k.result) AS result, COALESCE(o.error, k.error) AS error,
      CASE WHEN t.task_no IS NULL THEN k.type END AS result_type) AS b) AS s) AS e;
