-- What all attempts of tasks have used, by provider and model. $(tasks): numbers of tasks.
SELECT u.task_no, u.provider, u.model, SUM(CAST(u.input_tokens AS float)) AS input_tokens, SUM(CAST(u.output_tokens AS float)) AS output_tokens, SUM(CAST(u.cache_read_tokens AS float)) AS cache_read_tokens, SUM(CAST(u.cache_write_tokens AS float)) AS cache_write_tokens, SUM(CAST(u.reasoning_tokens AS float)) AS reasoning_tokens, SUM(CAST(u.cost_micros AS float)) AS cost_micros
FROM $(tasks) AS k JOIN dbo.task_usage AS u ON u.task_no = k.task_no
GROUP BY u.task_no, u.provider, u.model;
