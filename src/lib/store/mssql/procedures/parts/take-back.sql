-- Sorts the messages of @overdue into @requeued (to their old place) and @ended (after their last attempt); those
-- whose lease has not ended are passed over. A read, best before the transaction; end-messages and requeue-messages
-- do the rest, in this order, because ordering keys are locked before messages.
INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key, lease_expires_at)
SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'dead_lettered', N'MAX_ATTEMPTS', m.ordering_key, m.lease_expires_at
FROM @overdue AS o JOIN dbo.messages AS m ON m.arrival = o.arrival
WHERE m.status = 'leased' AND m.lease_expires_at <= @now AND m.attempt >= m.attempt_limit
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @requeued (arrival, receiver_no, attempt, available_at, lease_expires_at)
SELECT m.arrival, m.receiver_no, m.attempt, m.available_at, m.lease_expires_at
FROM @overdue AS o JOIN dbo.messages AS m ON m.arrival = o.arrival
WHERE m.status = 'leased' AND m.lease_expires_at <= @now AND m.attempt < m.attempt_limit
OPTION (LOOP JOIN, FORCE ORDER);
DELETE FROM @overdue;
