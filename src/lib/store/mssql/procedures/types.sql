-- Sets that one procedure hands to another.
CREATE TYPE release.agent_numbers AS TABLE (agent_no int NOT NULL PRIMARY KEY);
GO
CREATE TYPE release.task_numbers AS TABLE (task_no bigint NOT NULL PRIMARY KEY);
GO
-- Where tasks wait: demands, whose tasks any agent may take that meets them, and agents that tasks name; one of the two.
CREATE TYPE release.task_sources AS TABLE (demand_no int NULL, named_no int NULL);
GO
GO
-- What attempts say they have used so far, of each provider and model; an empty name where none was reported.
CREATE TYPE release.usage_reports AS TABLE (task_no bigint NOT NULL, attempt int NOT NULL, provider varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, model varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  input_tokens bigint NOT NULL, output_tokens bigint NOT NULL, cache_read_tokens bigint NOT NULL, cache_write_tokens bigint NOT NULL, reasoning_tokens bigint NOT NULL, cost_micros bigint NOT NULL,
  PRIMARY KEY (task_no, attempt, provider, model));
