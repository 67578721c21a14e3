-- Messages of work queues name their holder: an agent that one of them names is not deleted, so that no other agent gets its name.
CREATE INDEX messages_by_holder ON messages (holder) WHERE holder IS NOT NULL;
-- Names that are free already, or were given again later than the lease.
UPDATE messages SET holder = NULL WHERE holder IS NOT NULL AND NOT EXISTS (SELECT 1 FROM agents a
  WHERE a.agent_id = messages.holder AND a.registered_at <= coalesce(messages.ended_at, messages.lease_expires_at, messages.available_at));
