-- The beginning of a procedure that reads what a rule decides about: the time, and which try of @operation was written,
-- if one was. See decide.ts.
-- include: parts/prologue.sql
SELECT @now AS now, (SELECT CAST(JSON_VALUE(o.answer, '$.try') AS int) FROM dbo.operation_answers AS o
  WHERE o.operation_id = @operation) AS done;
