-- What became of each message; and the agents with something to receive, which a long poll may be waiting for.
SELECT s.item, s.place % 100 /* BATCH_MAX_MESSAGES */ AS n, s.refusal, s.repeat_of, s.depth, @share AS share, s.known_hash FROM @sends AS s ORDER BY s.place;
-- include: parts/read-time-anew.sql
SELECT DISTINCT s.receiver AS woken FROM @sends AS s WHERE s.accepted = 1 AND s.held = 0 AND s.available_at <= @now;
