-- As settle-messages, for calls in which a message is named twice: the first settlement of it acts.
CREATE PROCEDURE release.settle_messages_repeating
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/settle-messages-read.sql
-- The same message twice: the first settles; the others repeat it, or come too late.
UPDATE s SET acts = 0, status = CASE WHEN f.outcome = s.outcome THEN f.status ELSE 'lease_lost' END
FROM @settles AS s JOIN @settles AS f ON f.arrival = s.arrival AND f.acts = 1
WHERE s.acts = 1 AND s.place > f.place AND f.place = (SELECT MIN(x.place) FROM @settles AS x WHERE x.arrival = s.arrival AND x.acts = 1);
-- include: parts/settle-messages-write.sql
-- include: parts/settle-messages-answer.sql
