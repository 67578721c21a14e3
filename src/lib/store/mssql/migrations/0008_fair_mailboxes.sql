SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- A message with a first delay joins its ordering key when it becomes due, and gets its number in it then. 0: it has not
-- joined yet; it holds nothing up, and stays out of the streams (held = 1) until it joins.
ALTER TABLE dbo.messages ADD joined bit NOT NULL CONSTRAINT messages_joined DEFAULT 1;
GO
DROP INDEX messages_keys ON dbo.messages;
GO
CREATE INDEX messages_keys ON dbo.messages (receiver_no, ordering_key, arrival) INCLUDE (held)
  WHERE ordering_key IS NOT NULL AND joined = 1 AND status IN ('queued', 'leased');
-- What is to join: of a mailbox, in the order of becoming due; and whether some of a key is due already.
CREATE INDEX messages_joining ON dbo.messages (receiver_no, available_at, arrival) INCLUDE (ordering_key, expires_at)
  WHERE joined = 0 AND status = 'queued';
CREATE INDEX messages_joining_key ON dbo.messages (receiver_no, ordering_key, available_at)
  WHERE joined = 0 AND status = 'queued';
-- How many of a mailbox are from one sender: counted only where the mailbox is more than half full. (The status is included
-- because a filter by IN is otherwise checked in the row itself.)
CREATE INDEX messages_of_sender ON dbo.messages (receiver_no, sender_no) INCLUDE (status)
  WHERE status IN ('queued', 'leased');
-- The copies of a post that its sender withdraws.
CREATE INDEX messages_of_post ON dbo.messages (post_id) WHERE post_id IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (8, '0008_fair_mailboxes.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
