CREATE PROCEDURE release.list_message_types
  @limit int,
  @after varchar(64)
AS
SELECT s.type, s.[schema], s.updated_at, w.found
FROM (SELECT k.type, COUNT(*) OVER () AS found,
    SUM(k.characters) OVER (ORDER BY k.type ROWS UNBOUNDED PRECEDING) - k.characters AS characters_before
  FROM (SELECT TOP (@limit) t.type, DATALENGTH(t.[schema]) / 2 AS characters FROM dbo.message_types AS t
    WHERE t.type > @after ORDER BY t.type) AS k) AS w
JOIN dbo.message_types AS s ON s.type = w.type AND w.characters_before <= 4194304 /* REPLY_MAX_BYTES */
ORDER BY s.type;
