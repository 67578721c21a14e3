import type { AgentCommunicationError } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import { BATCH_MAX_MESSAGES } from "../../limits.ts";
import type { SendMessageReply } from "../../messages/message.ts";
import { currentCall } from "../../security/call-context.ts";
import { channelOf, PRIORITIES } from "../../values.ts";
import { senderShare } from "../mailbox-room.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import { idTaken, mailboxFull, mailboxShareUsed, mismatch } from "../send-refusals.ts";
import type { NewMessage, StoreSettings } from "../store.ts";
import { actorBeside, recordMessages } from "./audit.ts";
import { type Batch, type BatchResult, type Inputs, int, type Outcome } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson, plainJson } from "./item-text.ts";
import { joinKeys, joinsLater } from "./ordering-keys.ts";
import { ARRIVALS_PER_NUMBER } from "./system-messages.ts";
import { type AuditedTexts, auditedTexts } from "./texts.ts";
import {
  BIN2,
  BY_KEY,
  HASH,
  ID,
  KEY_VERSION,
  PROLOGUE,
  READ_TIME,
  raceUnless,
  TRACEPARENT,
  TYPE,
  WORD,
} from "./transaction.ts";

/** Calls in one batch: each has BATCH_MAX_MESSAGES places of the batch's one arrival number. */
const MAX_ITEMS = Math.floor(ARRIVALS_PER_NUMBER / BATCH_MAX_MESSAGES);

/** Nobody would ever receive what stands in the mailbox of a broadcast channel. */
const NO_QUEUE = `  WHEN x.receiver LIKE '#%' AND NOT EXISTS (SELECT 1 FROM dbo.channels AS q WHERE q.channel_no = r.agent_no
    AND q.kind = 'work_queue') THEN 'RECEIVER_UNKNOWN'
`;

/**
 * How many messages of the mailbox are the sender's, counted up to one more than its share, where the mailbox is more than half
 * full; NULL where it is not. Needs `b.depth`; gives `w.own`.
 */
export function ownOf(senderNo: string, receiverNo: string): string {
  return `OUTER APPLY (SELECT CASE WHEN b.depth * 2 > @maxMailbox THEN (SELECT COUNT(*) FROM (
  SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = ${receiverNo} AND m.sender_no = ${senderNo} AND m.status IN ('queued', 'leased')) AS y) END AS own) AS w`;
}

/** What the texts need to know of the mailbox limit. */
export function mailboxInputs({ maxMailbox }: StoreSettings): Inputs {
  return { maxMailbox: int(maxMailbox), share: int(senderShare(maxMailbox)) };
}

/**
 * The messages of all calls with what they meet, and why they are refused: the first reason that applies. A `twin` has the
 * id or key of an earlier message of its call; `twin_refusal` says whether it differs from that.
 */
const read = (
  toChannels: boolean,
  joined: string,
): string => `DECLARE @sends TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, message_id ${ID} NOT NULL, sender_no int NULL,
  receiver_no int NULL, receiver ${ID} NOT NULL, type ${TYPE} NOT NULL, priority tinyint NOT NULL, available_at bigint NOT NULL,
  expires_at bigint NULL, max_attempts int NOT NULL, correlation_id ${ID} NULL, reply_to ${ID} NULL, ordering_key ${ID} NULL,
  idempotency_key ${HASH} NULL, request_hash ${HASH} NOT NULL, payload_bytes int NOT NULL, sender_role ${WORD} NULL,
  sender_credential ${WORD} NOT NULL, key_version ${KEY_VERSION} NULL, traceparent ${TRACEPARENT} NULL, known_hash ${HASH} NULL,
  repeat_of ${ID} NULL, depth bigint NULL, own int NULL, refusal ${WORD} NULL, accepted bit NOT NULL, held bit NOT NULL,
  joined bit NOT NULL);
INSERT INTO @sends (place, item, message_id, sender_no, receiver_no, receiver, type, priority, available_at, expires_at,
  max_attempts, correlation_id, reply_to, ordering_key, idempotency_key, request_hash, payload_bytes, sender_role,
  sender_credential, key_version, traceparent, known_hash, repeat_of, depth, own, refusal, accepted, held, joined)
SELECT i.[key] * ${BATCH_MAX_MESSAGES} + x.n, i.[key], x.message_id, s.agent_no, r.agent_no, x.receiver, x.type, x.priority,
  v.available_at, @now + x.ttl, x.max_attempts, x.correlation_id,
  x.reply_to, x.ordering_key, x.idempotency_key, x.request_hash, x.payload_bytes, s.role, x.credential,
  x.key_version, x.traceparent, COALESCE(k.request_hash, d.request_hash), e.repeat_of, b.depth, w.own, f.refusal,
  CASE WHEN e.repeat_of IS NULL AND f.refusal IS NULL THEN 1 ELSE 0 END, 0, ${joined}
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.messages') WITH (n int, message_id varchar(128), sender varchar(128), receiver varchar(128), type varchar(64),
  priority tinyint, deliver_at bigint, delay bigint, ttl bigint, max_attempts int, correlation_id varchar(128),
  reply_to varchar(128), ordering_key varchar(128), idempotency_key varchar(64), request_hash varchar(64), twin bit,
  twin_refusal varchar(24), payload_bytes int, credential varchar(24),
  key_version varchar(64), traceparent varchar(55)) AS x
LEFT JOIN dbo.agents AS s ON s.agent_id = x.sender ${BIN2}
LEFT JOIN dbo.agents AS r ON r.agent_id = x.receiver ${BIN2}
LEFT JOIN dbo.messages AS k ON k.idempotency_key = x.idempotency_key ${BIN2} AND k.idempotency_key IS NOT NULL
LEFT JOIN dbo.messages AS d ON d.message_id = x.message_id ${BIN2}
OUTER APPLY (SELECT SUM(c.value) AS depth FROM dbo.counters AS c WHERE c.name = CONCAT('mailbox:', r.agent_no)) AS b
${ownOf("s.agent_no", "r.agent_no")}
CROSS APPLY (SELECT CASE WHEN x.deliver_at > @now THEN x.deliver_at ELSE @now + x.delay END AS available_at) AS v
CROSS APPLY (SELECT CASE WHEN x.twin = 1 THEN x.message_id ${BIN2} ELSE COALESCE(k.message_id, d.message_id) END AS repeat_of) AS e
CROSS APPLY (SELECT CASE
  WHEN k.arrival IS NULL AND d.arrival IS NULL AND x.twin_refusal IS NOT NULL THEN x.twin_refusal ${BIN2}
  WHEN s.agent_no IS NULL THEN 'SENDER_UNKNOWN'
  WHEN s.status = 'deregistered' THEN 'SENDER_LEFT'
  -- The key is looked up first: it names the caller's intent.
  WHEN k.arrival IS NOT NULL THEN CASE WHEN k.request_hash <> x.request_hash ${BIN2} THEN 'KEY_MISMATCH' END
  WHEN d.arrival IS NOT NULL THEN CASE WHEN d.sender_no IS NULL OR d.sender_no <> s.agent_no THEN 'ID_TAKEN'
    WHEN d.request_hash <> x.request_hash ${BIN2} THEN 'ID_MISMATCH' END
  -- A repeat gets the first result even when the receiver has gone since.
  WHEN r.agent_no IS NULL THEN 'RECEIVER_UNKNOWN'
${toChannels ? NO_QUEUE : ""}  WHEN r.status = 'deregistered' THEN 'RECEIVER_LEFT'
  WHEN x.twin = 0 AND b.depth >= @maxMailbox THEN 'MAILBOX_FULL' WHEN x.twin = 0 AND w.own > @share THEN 'SHARE_USED' END AS refusal) AS f
${BY_KEY};
`;

/**
 * Of calls with several messages: those before it count for the mailbox, those of its sender for the share, and one refusal
 * refuses them all. What was not counted, because the mailbox was not half full before the call, is counted here.
 */
const READ_TOGETHER = `UPDATE s SET refusal = CASE WHEN s.depth + t.ahead >= @maxMailbox THEN 'MAILBOX_FULL' ELSE 'SHARE_USED' END,
  depth = s.depth + t.ahead, accepted = 0
FROM @sends AS s JOIN (SELECT x.place, COUNT(*) OVER (PARTITION BY x.item, x.receiver_no ORDER BY x.place
    ROWS UNBOUNDED PRECEDING) - 1 AS ahead, COUNT(*) OVER (PARTITION BY x.item, x.receiver_no, x.sender_no ORDER BY x.place
    ROWS UNBOUNDED PRECEDING) - 1 AS own_ahead FROM @sends AS x WHERE x.accepted = 1) AS t ON t.place = s.place
OUTER APPLY (SELECT COUNT(*) AS own FROM (SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE s.own IS NULL AND (s.depth + t.ahead) * 2 > @maxMailbox AND m.receiver_no = s.receiver_no AND m.sender_no = s.sender_no
    AND m.status IN ('queued', 'leased')) AS y) AS w
WHERE s.depth + t.ahead >= @maxMailbox
  OR ((s.depth + t.ahead) * 2 > @maxMailbox AND COALESCE(s.own, w.own) + t.own_ahead > @share);
UPDATE s SET accepted = 0
FROM @sends AS s JOIN @sends AS x ON x.item = s.item WHERE x.refusal IS NOT NULL AND s.accepted = 1;
`;

const RECORD = recordMessages({
  action: "message.sent",
  item: "s.item",
  agentId: "a.agent_id",
  messageId: "s.message_id",
  detail: { sender: { word: "a.agent_id" }, receiver: { word: "s.receiver" }, type: { word: "s.type" } },
  from: "FROM @sends AS s JOIN dbo.agents AS a ON a.agent_no = s.sender_no WHERE s.accepted = 1 ORDER BY s.place",
});

/** The rows, their payloads and their counts. The number is taken while the keys are locked: arrival follows acceptance. */
const write = (
  joinKeys: string,
): string => `DECLARE @accepted bigint = (SELECT COUNT(*) FROM @sends WHERE accepted = 1);
IF @accepted > 0
BEGIN
  DECLARE @number bigint, @second varchar(48) = CONCAT('accepted:', @now / 1000);
  BEGIN TRANSACTION;
  ${joinKeys}SET @number = NEXT VALUE FOR dbo.message_arrivals;
  INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, joined, attempt_limit,
    max_attempts, accepted_at, available_at, expires_at, correlation_id, reply_to, ordering_key, idempotency_key, request_hash,
    payload_bytes, sender_role, sender_credential, key_version, traceparent)
  SELECT @number * ${ARRIVALS_PER_NUMBER} + s.place, s.message_id, s.sender_no, s.receiver_no, s.type, s.priority, 'queued', CASE WHEN s.joined = 1 THEN s.held ELSE 1 END,
    s.joined, s.max_attempts, s.max_attempts, @now, s.available_at, s.expires_at, s.correlation_id, s.reply_to, s.ordering_key,
    s.idempotency_key, s.request_hash, s.payload_bytes, s.sender_role, s.sender_credential,
    s.key_version, s.traceparent
  FROM @sends AS s WHERE s.accepted = 1;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @number * ${ARRIVALS_PER_NUMBER} + s.place, ${plainJson("p.value")}
  FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.payloads') AS p
  JOIN @sends AS s ON s.place = i.[key] * ${BATCH_MAX_MESSAGES} + p.[key] WHERE s.accepted = 1;
  ${RECORD}  UPDATE c SET value = c.value + d.delta
  FROM (SELECT CONCAT('mailbox:', s.receiver_no) AS name, COUNT(*) AS delta FROM @sends AS s WHERE s.accepted = 1
    GROUP BY s.receiver_no UNION ALL SELECT 'messages:queued', @accepted) AS d
  JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
  ${BY_KEY};
  ${raceUnless("(SELECT COUNT(DISTINCT s.receiver_no) + 1 FROM @sends AS s WHERE s.accepted = 1)")}  UPDATE dbo.counters SET value = value + @accepted WHERE name = @second AND slot = @@SPID;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, @accepted);
  COMMIT TRANSACTION;
END;
`;

const ANSWER = `SELECT s.item, s.place % ${BATCH_MAX_MESSAGES} AS n, s.refusal, s.repeat_of, s.depth, @share AS share, s.known_hash FROM @sends AS s ORDER BY s.place;
${READ_TIME}SELECT DISTINCT s.receiver AS agent_id FROM @sends AS s WHERE s.accepted = 1 AND s.held = 0 AND s.available_at <= @now;
`;

const JOINED = `CASE WHEN ${joinsLater({
  receiverNo: "r.agent_no",
  orderingKey: `x.ordering_key ${BIN2}`,
  availableAt: "v.available_at",
})} THEN 0 ELSE 1 END`;

/** Calls of one message each without an ordering key: nearly all. */
const SINGLE = auditedTexts("send-messages single", `${PROLOGUE}${read(false, "1")}${write("")}${ANSWER}`);
const together = (toChannels: boolean): string =>
  `${PROLOGUE}${read(toChannels, JOINED)}${READ_TOGETHER}${write(joinKeys("@sends", "place", "s.accepted = 1 AND s.joined = 1"))}${ANSWER}`;
const ANY = auditedTexts("send-messages any", together(false));
const TO_CHANNELS = auditedTexts("send-messages to-channels", together(true));

function textFor(calls: readonly (readonly NewMessage[])[]): AuditedTexts {
  if (calls.some((messages) => messages.some(({ receiver }) => channelOf(receiver) !== undefined))) return TO_CHANNELS;
  return calls.every((messages) => messages.length === 1 && messages[0]?.orderingKey === undefined) ? SINGLE : ANY;
}

/** Why a batch refuses a message. */
export type SendRefusal =
  | "SENDER_UNKNOWN"
  | "SENDER_LEFT"
  | "KEY_MISMATCH"
  | "ID_TAKEN"
  | "ID_MISMATCH"
  | "RECEIVER_UNKNOWN"
  | "RECEIVER_LEFT"
  | "MAILBOX_FULL"
  | "SHARE_USED";

interface SendRow {
  item: number;
  n: number;
  refusal: SendRefusal | null;
  repeat_of: string | null;
  depth: number | null;
  share: number | null;
  known_hash: string | null;
}

/** @param full whose mailbox MAILBOX_FULL speaks of */
export function sendRefusalOf(
  refusal: SendRefusal,
  message: NewMessage,
  row: { depth: number | null; known_hash: string | null; share: number | null },
  full = message.receiver,
): AgentCommunicationError {
  switch (refusal) {
    case "SENDER_UNKNOWN":
      return agentNotFound(message.sender);
    case "SENDER_LEFT":
      return agentDeregistered(message.sender);
    case "KEY_MISMATCH":
      return mismatch(message, "key", row.known_hash);
    case "ID_TAKEN":
      return idTaken(message.messageId);
    case "ID_MISMATCH":
      return mismatch(message, "id", row.known_hash);
    case "RECEIVER_UNKNOWN":
      return agentNotFound(message.receiver);
    case "RECEIVER_LEFT":
      return agentDeregistered(message.receiver);
    case "MAILBOX_FULL":
      return mailboxFull(full, row.depth ?? 0);
    case "SHARE_USED":
      return mailboxShareUsed(full, row.share ?? 0);
  }
}

/** The earlier message of the call with the same id or key, for each that has one: its position. */
function findTwins(messages: readonly NewMessage[]): (number | undefined)[] {
  const seen = new Map<string, number>();
  return messages.map((message, n) => {
    const key = message.idempotencyKey === undefined ? undefined : `key ${message.idempotencyKey}`;
    const twin = (key === undefined ? undefined : seen.get(key)) ?? seen.get(message.messageId);
    if (twin !== undefined) return twin;
    seen.set(message.messageId, n);
    if (key !== undefined) seen.set(key, n);
    return undefined;
  });
}

/** The same id or key twice in one call: a repeat if it says the same. */
function twinRefusal(message: NewMessage, twin: NewMessage | undefined): SendRefusal | null {
  if (twin === undefined) return null;
  if (twin.sender !== message.sender) return "ID_TAKEN";
  return twin.requestHash === message.requestHash ? null : "ID_MISMATCH";
}

/** What a send and a broadcast say of a message, but for its payload, which travels beside. */
export function encodeNewMessage(message: NewMessage): { [key: string]: JsonValue } {
  return {
    message_id: message.messageId,
    sender: message.sender,
    receiver: message.receiver,
    type: message.type,
    priority: PRIORITIES.indexOf(message.priority),
    deliver_at: message.deliverAt === undefined ? null : Date.parse(message.deliverAt),
    delay: Math.ceil((message.delaySeconds ?? 0) * 1_000),
    ttl: message.ttlSeconds === undefined ? null : Math.ceil(message.ttlSeconds * 1_000),
    max_attempts: message.maxAttempts,
    correlation_id: message.correlationId ?? null,
    reply_to: message.replyTo ?? null,
    ordering_key: message.orderingKey ?? null,
    idempotency_key: message.idempotencyKey ?? null,
    request_hash: message.requestHash,
    payload_bytes: Buffer.byteLength(JSON.stringify(message.payload)),
    credential: currentCall().credential,
    ...(message.keyVersion === undefined ? {} : { key_version: message.keyVersion }),
    ...(message.traceparent === undefined ? {} : { traceparent: message.traceparent }),
  };
}

function encodeMessage(message: NewMessage, n: number, twin: NewMessage | undefined): { [key: string]: JsonValue } {
  return { n, ...encodeNewMessage(message), twin: twin !== undefined, twin_refusal: twinRefusal(message, twin) };
}

function decodeCall(messages: readonly NewMessage[], rows: readonly SendRow[]): Outcome<SendMessageReply[]> {
  const twins = findTwins(messages);
  const replies: SendMessageReply[] = [];
  for (const [n, message] of messages.entries()) {
    const row = rows[n];
    if (row === undefined) throw new Error(`the batch has no outcome for message ${n} of a call`);
    if (row.refusal !== null) return { refusal: sendRefusalOf(row.refusal, message, row) };
    const twin = twins[n];
    const first = twin === undefined ? row.repeat_of : replies[twin]?.messageId;
    replies.push({ messageId: first ?? message.messageId, duplicate: row.repeat_of !== null });
  }
  return { value: replies };
}

const SEND: Batch<readonly NewMessage[], SendMessageReply[]> = {
  name: "send-messages",
  sql: textFor,
  encode(messages) {
    const twins = findTwins(messages);
    return {
      messages: messages.map((message, n) => encodeMessage(message, n, messages[twins[n] ?? -1])),
      payloads: messages.map((message) => itemJson(message.payload)),
      ...(messages[0] === undefined ? {} : actorBeside(messages[0].sender)),
    };
  },
  inputs: mailboxInputs,
  decode(result: BatchResult, calls) {
    const rows = result.byItem<SendRow>(0);
    return calls.map((messages, item) => decodeCall(messages, rows.get(item) ?? []));
  },
  maxItems: MAX_ITEMS,
  // Repeats that meet in one process wait for each other; elsewhere the unique index makes the later one try again.
  conflictKey: (messages) => messages[0]?.idempotencyKey ?? messages[0]?.messageId,
  wakes: true,
};

/**
 * Accepts all or none, in order.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND, MAILBOX_FULL, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export function sendMessages(connection: Connection, messages: readonly NewMessage[]): Promise<SendMessageReply[]> {
  return connection.run(SEND, messages);
}
