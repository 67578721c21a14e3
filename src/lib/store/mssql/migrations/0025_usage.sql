SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
--
-- Usage: what attempts have used of models, as their agents report it.
-- The totals of an attempt. They go with their task, whose document in the archive keeps the sums.
CREATE TABLE dbo.task_usage (
  task_no bigint NOT NULL CONSTRAINT task_usage_task REFERENCES dbo.tasks ON DELETE CASCADE,
  attempt int NOT NULL,
  -- Empty: not reported.
  provider varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  model varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  input_tokens bigint NOT NULL CONSTRAINT task_usage_input_tokens CHECK (input_tokens BETWEEN 0 AND 1000000000000000),
  output_tokens bigint NOT NULL CONSTRAINT task_usage_output_tokens CHECK (output_tokens BETWEEN 0 AND 1000000000000000),
  cache_read_tokens bigint NOT NULL CONSTRAINT task_usage_cache_read_tokens CHECK (cache_read_tokens BETWEEN 0 AND 1000000000000000),
  cache_write_tokens bigint NOT NULL CONSTRAINT task_usage_cache_write_tokens CHECK (cache_write_tokens BETWEEN 0 AND 1000000000000000),
  reasoning_tokens bigint NOT NULL CONSTRAINT task_usage_reasoning_tokens CHECK (reasoning_tokens BETWEEN 0 AND 1000000000000000),
  -- Millionths of a US dollar.
  cost_micros bigint NOT NULL CONSTRAINT task_usage_cost_micros CHECK (cost_micros BETWEEN 0 AND 1000000000000000),
  CONSTRAINT task_usage_pk PRIMARY KEY (task_no, attempt, provider, model)
);
-- What was reported in an hour. It stays when its tasks and agents go, so that it has their names. Numbers with a fraction have no
-- largest one: no sum can run over, and up to 2^53 they are exact.
CREATE TABLE dbo.usage_hours (
  -- The beginning of the hour, in milliseconds since 1970.
  hour bigint NOT NULL,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  task_type varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  supervisor_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  provider varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  model varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  input_tokens float NOT NULL,
  output_tokens float NOT NULL,
  cache_read_tokens float NOT NULL,
  cache_write_tokens float NOT NULL,
  reasoning_tokens float NOT NULL,
  cost_micros float NOT NULL,
  CONSTRAINT usage_hours_pk PRIMARY KEY (hour, agent_id, task_type, supervisor_id, provider, model)
);
-- All that was ever reported, for statistics: eight rows, so that calls do not wait for each other.
CREATE TABLE dbo.usage_totals (
  slot int NOT NULL CONSTRAINT usage_totals_pk PRIMARY KEY,
  input_tokens float NOT NULL,
  output_tokens float NOT NULL,
  cache_read_tokens float NOT NULL,
  cache_write_tokens float NOT NULL,
  reasoning_tokens float NOT NULL,
  cost_micros float NOT NULL
);
GO
INSERT INTO dbo.usage_totals (slot, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
SELECT s.slot, 0, 0, 0, 0, 0, 0 FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (25, '0025_usage.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
