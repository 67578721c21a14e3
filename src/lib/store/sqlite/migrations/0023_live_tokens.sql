-- Tokens of an agent that are not revoked: a renewal counts them, and those of its past may be a hundred thousand.
CREATE INDEX credentials_live_tokens ON credentials (agent_no) WHERE kind = 'token' AND revoked_at IS NULL;
