-- Agents that fell silent and whose tasks have not all been given back.
CREATE INDEX agents_left ON agents (agent_no) WHERE status = 'inactive' AND active_tasks > 0;
