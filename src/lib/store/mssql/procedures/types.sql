-- Sets that one procedure hands to another.
CREATE TYPE release.agent_numbers AS TABLE (agent_no int NOT NULL PRIMARY KEY);
GO
CREATE TYPE release.task_numbers AS TABLE (task_no bigint NOT NULL PRIMARY KEY);
GO
-- Where tasks wait: demands, whose tasks any agent may take that meets them, and agents that tasks name; one of the two.
CREATE TYPE release.task_sources AS TABLE (demand_no int NULL, named_no int NULL);
GO
