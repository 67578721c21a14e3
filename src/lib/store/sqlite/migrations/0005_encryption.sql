-- The sender as it was verified when it sent: its registered role, and how it proved who it is. NULL: written by the
-- switchboard itself, or sent before these were kept.
ALTER TABLE messages ADD COLUMN sender_role TEXT CHECK (sender_role IN ('supervisor', 'worker', 'observer', 'admin'));
ALTER TABLE messages ADD COLUMN sender_credential TEXT
  CHECK (sender_credential IN ('token', 'entra', 'certificate', 'none'));

-- The version of the key that a value is encrypted under; NULL: it is plain. Nothing else decides whether it is an envelope.
-- Of messages: the payload, or in the switchboard's own task_result the result inside of it.
ALTER TABLE messages ADD COLUMN key_version TEXT;
-- The parameters.
ALTER TABLE task_bodies ADD COLUMN key_version TEXT;
-- The result.
ALTER TABLE task_outcomes ADD COLUMN key_version TEXT;
ALTER TABLE task_archive ADD COLUMN key_version TEXT;
ALTER TABLE task_archive ADD COLUMN result_key_version TEXT;

-- For encrypting again under a new version: what is under another one stands before or behind it.
CREATE INDEX messages_by_key ON messages (key_version, arrival) WHERE key_version IS NOT NULL;
CREATE INDEX task_bodies_by_key ON task_bodies (key_version, task_no) WHERE key_version IS NOT NULL;
CREATE INDEX task_outcomes_by_key ON task_outcomes (key_version, task_no) WHERE key_version IS NOT NULL;
CREATE INDEX task_archive_by_key ON task_archive (key_version, task_id) WHERE key_version IS NOT NULL;
CREATE INDEX task_archive_by_result_key ON task_archive (result_key_version, task_id) WHERE result_key_version IS NOT NULL;
