import type { CopiedMessage } from "../copy/copied-rows.ts";
import { copiedTable, JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import { NAME } from "./copy-channels.ts";
import { APPLY_COUNTS, DECLARE_COUNTS } from "./copy-parts.ts";
import { ARRIVALS_PER_NUMBER, joinedBytes } from "./system-messages.ts";
import { HASH, ID, KEY_VERSION, TRACEPARENT, TYPE, WORD } from "./transaction.ts";

/** Open messages as a copy brings them: with their leases, attempts and delays, in their order. */

const MESSAGE = {
  message_id: `${ID} NOT NULL`,
  sender_id: ID,
  receiver_id: `${ID} NOT NULL`,
  type: TYPE,
  priority: "tinyint",
  status: WORD,
  attempt: "int",
  attempt_limit: "int",
  max_attempts: "int",
  accepted_at: "bigint",
  available_at: "bigint",
  expires_at: "bigint",
  lease_expires_at: "bigint",
  ended_at: "bigint",
  settlement: WORD,
  claim_id: ID,
  reason: TEXT,
  correlation_id: ID,
  reply_to: ID,
  ordering_key: ID,
  joined: "bit",
  idempotency_key: HASH,
  request_hash: HASH,
  sender_role: WORD,
  sender_credential: WORD,
  key_version: KEY_VERSION,
  traceparent: TRACEPARENT,
  task_id: ID,
  task_attempt: "int",
  channel: NAME,
  post_id: ID,
  holder: ID,
  payload: JSON_TEXT,
  payload_bytes: "int",
};

const FOUND = `m.message_id, s.agent_id AS sender_id, v.agent_id AS receiver_id, m.request_hash, m.type, m.priority, m.status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.lease_expires_at, m.ended_at, m.ordering_key,
  m.channel, m.post_id, m.holder`;
const FOUND_AGENTS = `LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no JOIN dbo.agents AS v ON v.agent_no = m.receiver_no`;

/** Takes the row of every key, or makes it; \`ahead\` are the unsettled messages of the key that came before this page. */
const ENTER_KEYS = `DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key ${ID} NOT NULL, entering int NOT NULL,
  ahead int NOT NULL DEFAULT 0, PRIMARY KEY (receiver_no, ordering_key));
INSERT INTO @keys (receiver_no, ordering_key, entering)
SELECT v.agent_no, r.ordering_key, COUNT(*) FROM @rows AS r JOIN dbo.agents AS v ON v.agent_id = r.receiver_id
WHERE r.ordering_key IS NOT NULL AND r.joined = 1 AND r.status IN ('queued', 'leased') GROUP BY v.agent_no, r.ordering_key;
BEGIN TRANSACTION;
UPDATE k SET unsettled = k.unsettled + n.entering
FROM @keys AS n JOIN dbo.ordering_keys AS k ON k.receiver_no = n.receiver_no AND k.ordering_key = n.ordering_key;
UPDATE n SET ahead = k.unsettled - n.entering
FROM @keys AS n JOIN dbo.ordering_keys AS k ON k.receiver_no = n.receiver_no AND k.ordering_key = n.ordering_key;
INSERT INTO dbo.ordering_keys (receiver_no, ordering_key, unsettled)
SELECT n.receiver_no, n.ordering_key, n.entering FROM @keys AS n
WHERE NOT EXISTS (SELECT 1 FROM dbo.ordering_keys AS k WHERE k.receiver_no = n.receiver_no AND k.ordering_key = n.ordering_key);
`;

/** \`place\`: among the unsettled messages of its key in this page. The first of all of its key is held by none. */
const INSERT = `INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, joined, attempt,
  attempt_limit, max_attempts, accepted_at, available_at, expires_at, lease_expires_at, ended_at, settlement, claim_id, reason,
  correlation_id, reply_to, ordering_key, idempotency_key, request_hash, sender_role, sender_credential, key_version, traceparent, task_no,
  task_attempt, payload_bytes, channel, post_id, holder)
SELECT @arrival + r.position, r.message_id, s.agent_no, v.agent_no, r.type, r.priority, r.status,
  CASE WHEN r.status = 'queued' AND r.ordering_key IS NOT NULL AND (r.joined = 0 OR k.ahead > 0 OR p.place > 1) THEN 1 ELSE 0 END, r.joined,
  r.attempt, r.attempt_limit, r.max_attempts, r.accepted_at, r.available_at, r.expires_at, r.lease_expires_at, r.ended_at,
  r.settlement, r.claim_id, r.reason, r.correlation_id, r.reply_to, r.ordering_key, r.idempotency_key, r.request_hash,
  r.sender_role, r.sender_credential, r.key_version, r.traceparent, t.task_no, r.task_attempt,
  r.payload_bytes + CASE WHEN r.type = 'task_assignment' AND t.task_no IS NOT NULL THEN ${joinedBytes("t.task_no")} ELSE 0 END,
  r.channel, r.post_id, r.holder
FROM @rows AS r JOIN dbo.agents AS v ON v.agent_id = r.receiver_id
LEFT JOIN dbo.agents AS s ON s.agent_id = r.sender_id
LEFT JOIN dbo.tasks AS t ON t.task_id = r.task_id
LEFT JOIN @keys AS k ON k.receiver_no = v.agent_no AND k.ordering_key = r.ordering_key
LEFT JOIN (SELECT u.position, ROW_NUMBER() OVER (PARTITION BY u.receiver_id, u.ordering_key ORDER BY u.position) AS place
  FROM @rows AS u WHERE u.ordering_key IS NOT NULL AND u.joined = 1 AND u.status IN ('queued', 'leased')) AS p ON p.position = r.position
ORDER BY r.position;
SET @added = @@ROWCOUNT;
INSERT INTO dbo.message_payloads (arrival, payload) SELECT @arrival + r.position, r.payload FROM @rows AS r ORDER BY r.position;
`;

export const copyMessages = copiedTable<CopiedMessage>({
  name: "copy-messages",
  idOf: (row) => row.message_id,
  idempotencyKeyOf: (row) => row.idempotency_key,
  find: `SELECT i.id AS asked, ${FOUND}
FROM @asked AS i JOIN dbo.messages AS m ON m.message_id = i.id ${FOUND_AGENTS}
UNION ALL
SELECT i.id AS asked, ${FOUND}
FROM @asked AS i JOIN dbo.messages AS m ON m.idempotency_key = i.idempotency_key ${FOUND_AGENTS}
WHERE i.idempotency_key IS NOT NULL AND m.idempotency_key IS NOT NULL AND m.message_id <> i.id`,
  encode: (rows) => ({
    ...writePage(
      "rows",
      rows.map((row) => ({ ...row, payload_bytes: Buffer.byteLength(row.payload) })),
      MESSAGE,
    ),
  }),
  add: `${DECLARE_COUNTS}DECLARE @arrival bigint;
${readPage("@rows", "rows", MESSAGE)}
DELETE r FROM @rows AS r JOIN dbo.messages AS m ON m.message_id = r.message_id;
${ENTER_KEYS}-- While the keys are locked, so that arrival follows the order of acceptance within a key.
SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
SET @arrival = @arrival * ${ARRIVALS_PER_NUMBER};
${INSERT}INSERT INTO @counts (name, delta)
SELECT c.name, 1 FROM @rows AS r JOIN dbo.agents AS v ON v.agent_id = r.receiver_id
CROSS APPLY (VALUES (CONCAT('messages:', r.status), 1), (CONCAT('mailbox:', v.agent_no), CASE WHEN r.status = 'dead_lettered' THEN 0 ELSE 1 END)) AS c (name, counts)
WHERE c.counts = 1;
${APPLY_COUNTS}COMMIT TRANSACTION;
`,
});
