-- An agent may say at its registration how long it can be silent. silent_at is the time at which it falls silent, as long as it
-- gives no further sign of life; without a timeout of its own it has none, and the setting counts from the last heartbeat.
ALTER TABLE agents ADD COLUMN heartbeat_timeout_seconds INTEGER CHECK (heartbeat_timeout_seconds BETWEEN 10 AND 86400);
ALTER TABLE agents ADD COLUMN silent_at INTEGER GENERATED ALWAYS AS (last_heartbeat_at + heartbeat_timeout_seconds * 1000) VIRTUAL;
CREATE INDEX agents_silent_at ON agents (silent_at)
  WHERE heartbeat_timeout_seconds IS NOT NULL AND status IN ('active', 'draining');
-- With the timeout behind, a sweep passes over agents with one of their own without looking at their rows.
DROP INDEX agents_beating;
CREATE INDEX agents_beating ON agents (last_heartbeat_at, heartbeat_timeout_seconds) WHERE status IN ('active', 'draining');
