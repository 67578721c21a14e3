-- Settles leased messages: completed, queued again, or dead-lettered, each by its attempt. No message is named twice.
-- Table order: ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.settle_messages
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/settle-messages-read.sql
-- include: parts/settle-messages-write.sql
-- include: parts/settle-messages-answer.sql
