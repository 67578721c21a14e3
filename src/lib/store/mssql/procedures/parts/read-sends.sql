-- The messages of the calls, by place (call * 100 + number in the call): sender, receiver, an earlier message of the same key
-- or id, how full the mailbox is, and the first reason that refuses a message. joined: 0 where it waits for its ordering key.
-- wakes: its sender is inactive.
DECLARE @sends TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, message_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, sender_no int NULL,
  receiver_no int NULL, receiver varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, type varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, priority tinyint NOT NULL, available_at bigint NOT NULL,
  expires_at bigint NULL, max_attempts int NOT NULL, correlation_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, reply_to varchar(128) COLLATE Latin1_General_100_BIN2 NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL, request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, payload_bytes int NOT NULL, sender_role varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  sender_credential varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL, traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL, known_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  repeat_of varchar(128) COLLATE Latin1_General_100_BIN2 NULL, depth bigint NULL, own int NULL, refusal varchar(24) COLLATE Latin1_General_100_BIN2 NULL, accepted bit NOT NULL, held bit NOT NULL,
  joined bit NOT NULL, wakes bit NOT NULL);
INSERT INTO @sends (place, item, message_id, sender_no, receiver_no, receiver, type, priority, available_at, expires_at,
  max_attempts, correlation_id, reply_to, ordering_key, idempotency_key, request_hash, payload_bytes, sender_role,
  sender_credential, key_version, traceparent, known_hash, repeat_of, depth, own, refusal, accepted, held, joined, wakes)
-- include: parts/find-sends.sql
OPTION (LOOP JOIN, FORCE ORDER);
