import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../src/lib/model/values.ts";

/**
 * What a good engineer would write for one call and nothing else: the same rows, columns and counters as the store's verbs,
 * in one round trip and one transaction, for agents and messages that are there. No limits, no repeats, no ordering keys, no
 * refusals to choose between, one call at a time.
 */

export const PROLOGUE = `SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @now bigint = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME());
`;

/** One more message that was accepted in this second. */
export const COUNT_ACCEPTED = `UPDATE dbo.counters SET value = value + 1 WHERE name = CONCAT('accepted:', @now / 1000) AND slot = @@SPID;
IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (CONCAT('accepted:', @now / 1000), @@SPID, 1);
`;

const AGENT = `DECLARE @agentNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @agentId AND status <> 'deregistered');
`;

export const SEND = `${PROLOGUE}DECLARE @arrival bigint;
DECLARE @senderNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @sender AND status <> 'deregistered');
DECLARE @receiverNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @receiver AND status <> 'deregistered');
BEGIN TRANSACTION;
SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
SET @arrival = @arrival * 4096;
INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, attempt_limit, max_attempts, accepted_at,
  available_at, request_hash, payload_bytes)
VALUES (@arrival, @messageId, @senderNo, @receiverNo, @type, @priority, 'queued', 5, 5, @now, @now, @requestHash, @payloadBytes);
INSERT INTO dbo.message_payloads (arrival, payload) VALUES (@arrival, @payload);
UPDATE dbo.counters SET value = value + 1 WHERE name IN ('messages:queued', CONCAT('mailbox:', @receiverNo)) AND slot = @@SPID % 8;
${COUNT_ACCEPTED}COMMIT TRANSACTION;
`;

const STREAMS = PRIORITIES.map((name, priority) => `(${priority}, ${HEAD_START_MILLISECONDS[name]})`).join(", ");

export const RECEIVE = `${PROLOGUE}${AGENT}DECLARE @arrival bigint;
BEGIN TRANSACTION;
SELECT TOP (1) @arrival = h.arrival
FROM (VALUES ${STREAMS}) AS p (priority, head_start)
CROSS APPLY (SELECT TOP (1) m.arrival, m.available_at - p.head_start AS rank
  FROM dbo.messages AS m WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)
  WHERE m.receiver_no = @agentNo AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority AND m.available_at <= @now
  ORDER BY m.available_at, m.arrival) AS h
ORDER BY h.rank, h.arrival;
UPDATE dbo.messages SET status = 'leased', attempt = attempt + 1, lease_expires_at = @now + @lease, claim_id = @claimId, settlement = NULL
WHERE arrival = @arrival AND status = 'queued' AND held = 0;
UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:leased' THEN 1 ELSE -1 END
WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
COMMIT TRANSACTION;
SELECT m.message_id, s.agent_id AS sender, m.type, m.priority, m.status, m.attempt, m.attempt_limit, m.accepted_at, m.available_at,
  m.expires_at, m.lease_expires_at, m.reason, m.correlation_id, m.reply_to, m.ordering_key, p.payload
FROM dbo.messages AS m JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no WHERE m.arrival = @arrival;
`;

export const RENEW = `${PROLOGUE}${AGENT}UPDATE dbo.messages SET lease_expires_at = @now + @lease
WHERE message_id = @messageId AND receiver_no = @agentNo AND attempt = @attempt AND status = 'leased';
SELECT @@ROWCOUNT AS renewed, @now + @lease AS lease_expires_at;
`;

export const COMPLETE_MESSAGE = `${PROLOGUE}${AGENT}BEGIN TRANSACTION;
UPDATE dbo.messages SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'complete'
WHERE message_id = @messageId AND receiver_no = @agentNo AND attempt = @attempt AND status = 'leased';
IF @@ROWCOUNT <> 1 THROW 50001, 'lease lost', 1;
UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:completed' THEN 1 ELSE -1 END
WHERE name IN ('messages:leased', 'messages:completed', CONCAT('mailbox:', @agentNo)) AND slot = @@SPID % 8;
COMMIT TRANSACTION;
`;

export const HEARTBEAT = `${PROLOGUE}${AGENT}UPDATE dbo.agent_heartbeats SET last_heartbeat_at = @now WHERE agent_no = @agentNo AND beating = 1;
SELECT COUNT(*) AS pending FROM (SELECT TOP (1000) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = @agentNo AND m.held = 0 AND m.priority IN (0, 1, 2, 3) AND m.status = 'queued' AND m.available_at <= @now
    AND (m.expires_at IS NULL OR m.expires_at > @now)) AS x;
SELECT task_id, attempt, cancel_requested FROM dbo.tasks WHERE agent_no = @agentNo AND status IN ('assigned', 'running') ORDER BY task_no;
`;
