-- Books what accepted calls report, in their transaction, behind the write to the rows of their tasks: who has locked that is the only one who
-- books for its attempts.
IF @usage IS NOT NULL
BEGIN
  DECLARE @reports release.usage_reports;
  DECLARE @booked int;
  INSERT INTO @reports (task_no, attempt, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
  SELECT c.task_no, c.attempt, u.provider, u.model, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.cost_micros
  FROM OPENJSON(@usage) WITH (item int, provider varchar(128), model varchar(128), input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, cost_micros bigint) AS u JOIN @calls AS c ON c.item = u.item
  WHERE c.code IS NULL AND c.answer IS NULL;
  EXEC @booked = release.book_usage @reports, @now;
  IF @booked < 0 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
