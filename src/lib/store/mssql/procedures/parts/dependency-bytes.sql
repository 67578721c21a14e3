-- At least the bytes that its dependencies take in the assignment of the task p.task_no. A character takes at most three; of one in the archive
-- the whole document counts.
(SELECT COUNT(*) * 384 /* DEPENDENCY_FIELDS_BYTES */ + CASE WHEN SUM(k.bytes) > 262144 /* BROUGHT_RESULTS_MAX_BYTES */ THEN 262144 /* BROUGHT_RESULTS_MAX_BYTES */ ELSE COALESCE(SUM(k.bytes), 0) END
  FROM (SELECT (COALESCE(DATALENGTH(e.result), 0) + COALESCE(DATALENGTH(e.error), 0) + COALESCE(DATALENGTH(z.task), 0)) * CAST(3 AS bigint) / 2 AS bytes
    FROM dbo.task_dependencies AS d LEFT JOIN dbo.tasks AS y ON y.task_id = d.depends_on
    LEFT JOIN dbo.task_outcomes AS e ON e.task_no = y.task_no
    LEFT JOIN dbo.task_archive AS z ON z.task_id = d.depends_on AND y.task_no IS NULL
    WHERE d.task_no = p.task_no AND (d.position < 200 /* DEPENDENCIES_MAX */ OR d.position >= 1000 /* CHILD_PLACES */ * (SELECT CASE WHEN x.suspensions > 0 THEN x.suspensions ELSE 2000 END FROM dbo.tasks AS x WHERE x.task_no = d.task_no))) AS k)
