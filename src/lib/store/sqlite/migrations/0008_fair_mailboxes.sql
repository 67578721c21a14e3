-- A message with a first delay joins its ordering key when it becomes due, and gets its number in it then. 0: it has not
-- joined yet; it holds nothing up, and stays out of the streams (held = 1) until it joins.
ALTER TABLE messages ADD COLUMN joined INTEGER NOT NULL DEFAULT 1 CHECK (joined IN (0, 1));
DROP INDEX messages_keys;
CREATE INDEX messages_keys ON messages (receiver_no, ordering_key, arrival)
  WHERE ordering_key IS NOT NULL AND joined = 1 AND status IN ('queued', 'leased');
-- What is to join: of a mailbox, in the order of becoming due; and whether some of a key is due already.
CREATE INDEX messages_joining ON messages (receiver_no, available_at, arrival) WHERE joined = 0 AND status = 'queued';
CREATE INDEX messages_joining_key ON messages (receiver_no, ordering_key, available_at)
  WHERE joined = 0 AND status = 'queued';
-- How many of a mailbox are from one sender: counted only where the mailbox is more than half full.
CREATE INDEX messages_of_sender ON messages (receiver_no, sender_no) WHERE status IN ('queued', 'leased');
-- The copies of a post that its sender withdraws.
CREATE INDEX messages_of_post ON messages (post_id) WHERE post_id IS NOT NULL;
