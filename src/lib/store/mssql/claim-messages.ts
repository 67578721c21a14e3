import { newId } from "../../ids.ts";
import { JOINS_PER_TRANSACTION, MESSAGE_FIELDS_BYTES, REPLY_MAX_BYTES } from "../../limits.ts";
import { mailboxOf } from "../channel-reading.ts";
import { asLeased, rankOf } from "../message-reading.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import type { Claim, Claimed, StoredLeasedMessage } from "../store.ts";
import { renewalInput, wakeAgent } from "./activity.ts";
import { actorBeside, recordMessages } from "./audit.ts";
import type { Batch, BatchResult, Outcome } from "./batch.ts";
import { OWN, QUEUE, type Source } from "./claim-sources.ts";
import type { Connection } from "./connection.ts";
import {
  DECLARE_ENDED,
  DECLARE_OVERDUE,
  DECLARE_REQUEUED,
  END_MESSAGES,
  READABLE_COLUMNS,
  READABLE_TABLES,
  REQUEUE_MESSAGES,
  type ReadableMessageRow,
  readMessage,
  STREAMS,
  TAKE_BACK,
} from "./message-rows.ts";
import { DECLARE_JOINING, JOIN_DUE, joiningOf } from "./ordering-keys.ts";
import { auditedTexts } from "./texts.ts";
import {
  APPLY_COUNTS,
  BIN2,
  BY_KEY,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  ID,
  PROLOGUE,
  READ_TIME,
  raceUnless,
  SELECT_DELIVERABLE,
  WORD,
} from "./transaction.ts";

/**
 * Ended leases and expired messages that one claim works off before it answers, beside JOINS_PER_TRANSACTION that join their
 * ordering keys; the caller is told when there are more.
 */
const UPKEEP_MAX = 500;
/** Claims in one batch: each may bring a megabyte of messages. */
const MAX_ITEMS = 32;

/**
 * The claims of a batch and what stands before them: a claim id that was answered already; `overdue`: leases that have ended,
 * and messages that are to join their ordering keys. `ready`: may lease now.
 */
const read = (
  from: Source,
): string => `DECLARE @claims TABLE (item int NOT NULL PRIMARY KEY, agent_no int NULL, ${from.columns}max_messages int NOT NULL,
  max_bytes bigint NOT NULL, lease bigint NOT NULL, types nvarchar(max) NULL, claim_id ${ID} NOT NULL, code ${WORD} NULL,
  ready bit NOT NULL, overdue bit NOT NULL, stale bit NOT NULL, inactive bit NOT NULL);
INSERT INTO @claims (item, agent_no, ${from.names}max_messages, max_bytes, lease, types, claim_id, code, ready, overdue, stale, inactive)
SELECT x.item, ${from.mailboxNo}, ${from.values}x.max_messages, x.max_bytes, x.lease, x.types, x.claim_id,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'${from.unknown} END,
  CASE WHEN a.status <> 'deregistered' AND b.arrival IS NULL${from.found} THEN 1 ELSE 0 END,
  CASE WHEN a.status <> 'deregistered' AND b.arrival IS NULL AND (EXISTS (SELECT 1 FROM dbo.messages AS m
    WHERE m.receiver_no = ${from.mailboxNo} AND m.status = 'leased' AND m.lease_expires_at <= @now)
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = ${from.mailboxNo} AND m.joined = 0 AND m.status = 'queued'
      AND m.available_at <= @now)) THEN 1 ELSE 0 END,
  CASE WHEN a.status <> 'deregistered' AND h.last_heartbeat_at < @now - @renewalMilliseconds${from.found} THEN 1 ELSE 0 END,
  CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), ${from.given}max_messages int, max_bytes bigint, lease bigint,
  types nvarchar(max) AS JSON, claim_id varchar(128)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id ${BIN2}
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
${from.join}OUTER APPLY (SELECT TOP (1) m.arrival FROM dbo.messages AS m WHERE m.receiver_no = ${from.mailboxNo}
  AND m.claim_id = x.claim_id ${BIN2} AND m.status = 'leased' AND m.claim_id IS NOT NULL AND m.lease_expires_at > @now${from.heldBy(`x.agent_id ${BIN2}`)}) AS b
${BY_KEY};
`;

/**
 * The due heads of an agent's streams, `limit` of each, read from the index alone: so the cost does not grow with what is
 * delayed, held, leased or done. By type, there is a stream for each type and priority.
 */
function heads(typed: boolean, limit: string, hints: string): string {
  return `FROM @claims AS c CROSS JOIN ${STREAMS}
${typed ? "CROSS APPLY OPENJSON(c.types) AS t\n" : ""}CROSS APPLY (SELECT TOP (${limit}) m.arrival, m.available_at - p.head_start AS rank, m.expires_at, m.payload_bytes
  FROM dbo.messages AS m${hints}
  WHERE m.receiver_no = c.agent_no AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority
    ${typed ? `AND m.type = CAST(t.value AS varchar(64)) ${BIN2} ` : ""}AND m.available_at <= @now
  ORDER BY m.available_at, m.arrival) AS h`;
}

/**
 * Two claims of one mailbox pass over each other's rows instead of waiting; neither does a claim wait for whoever ends a
 * message, by its key first and then by this index. READPAST needs the last under row versions.
 */
const QUEUE_HINTS = " WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)";

/**
 * Leases the first of the merged heads of each ready claim, as many and as large as it may take; the first is never held
 * back. A claim that meets an expired message takes nothing: that has to be recorded first, since it may free the next of
 * its key.
 */
const lease = (
  from: Source,
  typed: boolean,
  ready: string,
): string => `DECLARE @heads TABLE (arrival bigint NOT NULL PRIMARY KEY, item int NOT NULL, expired bit NOT NULL);
DECLARE @picked int;
BEGIN TRANSACTION;
INSERT INTO @heads (arrival, item, expired)
SELECT r.arrival, r.item, r.expired
FROM (SELECT h.arrival, c.item, c.max_messages, c.max_bytes, ROW_NUMBER() OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival) AS nth,
    SUM(CAST(h.payload_bytes AS bigint)) OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival ROWS UNBOUNDED PRECEDING) AS bytes,
    MAX(CASE WHEN h.expires_at <= @now THEN 1 ELSE 0 END) OVER (PARTITION BY c.item) AS expired
  ${heads(typed, "c.max_messages", QUEUE_HINTS)}
  WHERE ${ready}) AS r
WHERE r.nth <= r.max_messages
  AND (r.nth = 1 OR (r.bytes <= r.max_bytes AND r.bytes + r.nth * ${MESSAGE_FIELDS_BYTES} <= ${REPLY_MAX_BYTES}))
${BY_KEY};
SET @picked = (SELECT COUNT(*) FROM @heads WHERE expired = 0);
IF @picked > 0
BEGIN
  UPDATE m SET status = 'leased', attempt = m.attempt + 1, lease_expires_at = @now + c.lease, claim_id = c.claim_id, settlement = NULL${from.setHolder}
  FROM @heads AS h JOIN @claims AS c ON c.item = h.item JOIN dbo.messages AS m${QUEUE_HINTS} ON m.arrival = h.arrival
  WHERE h.expired = 0 AND m.status = 'queued' AND m.held = 0 AND m.available_at <= @now
  ${BY_KEY};
  ${raceUnless("@picked")}  ${recordMessages({
    action: "message.received",
    item: "h.item",
    agentId: "a.agent_id",
    messageId: "m.message_id",
    detail: { attempt: { number: "m.attempt" }, agentId: { word: "a.agent_id" } },
    from: `FROM @heads AS h JOIN @claims AS c ON c.item = h.item JOIN dbo.messages AS m ON m.arrival = h.arrival
  JOIN dbo.agents AS a ON a.agent_no = ${from.memberNo} WHERE h.expired = 0 ORDER BY h.arrival
  ${BY_KEY}`,
  })}  UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:leased' THEN @picked ELSE -@picked END
  WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
END;
COMMIT TRANSACTION;
`;

/** An accepted claim counts as a heartbeat. */
const beat = (from: Source): string => `IF EXISTS (SELECT 1 FROM @claims WHERE stale = 1)
  UPDATE h SET last_heartbeat_at = @now
  FROM @claims AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = ${from.memberNo}
  WHERE c.stale = 1 AND h.beating = 1 AND h.last_heartbeat_at < @now - @renewalMilliseconds;
`;

/** What the claim ids hold now: also what an earlier try of the same claim leased whose answer was lost. */
const messagesOf = (from: Source): string => `SELECT c.item, ${READABLE_COLUMNS}
FROM @claims AS c
JOIN dbo.messages AS m ON m.receiver_no = c.agent_no AND m.claim_id = c.claim_id AND m.claim_id IS NOT NULL AND m.status = 'leased'
  AND m.lease_expires_at > @now${from.heldBy("c.holder")}
${READABLE_TABLES}
${BY_KEY};
`;

/** The common case: nothing to work off. `upkeep`: there is, so this claim took nothing. */
const common = (
  from: Source,
  typed: boolean,
): string => `${PROLOGUE}${read(from)}${lease(from, typed, "c.ready = 1 AND c.overdue = 0")}${beat(from)}SELECT c.item, c.code, c.inactive, CASE WHEN c.overdue = 1 OR EXISTS (SELECT 1 FROM @heads AS h
  WHERE h.item = c.item AND h.expired = 1) THEN 1 ELSE 0 END AS upkeep, 0 AS unfinished FROM @claims AS c;
${messagesOf(from)}`;

/**
 * Lets what is due join its keys, takes back the ended leases of the mailbox, then records the expired of its due heads, in
 * transactions of their own.
 */
const workOff = (
  typed: boolean,
): string => `${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_ENDED}${DECLARE_REQUEUED}${DECLARE_OVERDUE}${DECLARE_JOINING}
DECLARE @takenBack int, @expired int = 0, @met int = 1, @joinedNow int;
INSERT INTO @joining (arrival, receiver_no, ordering_key, held)
SELECT o.arrival, o.receiver_no, o.ordering_key, 0
FROM @claims AS c CROSS APPLY (${joiningOf("c.agent_no", String(JOINS_PER_TRANSACTION))}) AS o
WHERE c.overdue = 1 ORDER BY o.available_at, o.arrival;
SET @joinedNow = @@ROWCOUNT;
IF @joinedNow > 0
BEGIN
  ${JOIN_DUE}${READ_TIME}END;
INSERT INTO @overdue (arrival)
SELECT o.arrival FROM @claims AS c CROSS APPLY (SELECT TOP (${UPKEEP_MAX}) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = c.agent_no AND m.status = 'leased' AND m.lease_expires_at <= @now ORDER BY m.lease_expires_at) AS o
WHERE c.overdue = 1;
SET @takenBack = @@ROWCOUNT;
${TAKE_BACK}WHILE @met > 0
BEGIN
  BEGIN TRANSACTION;
  ${END_MESSAGES}${REQUEUE_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
  ${READ_TIME}  IF @expired >= ${UPKEEP_MAX} BREAK;
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, ordering_key)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'expired', m.ordering_key
  FROM (SELECT TOP (${UPKEEP_MAX}) h.arrival, h.expires_at ${heads(typed, String(UPKEEP_MAX), "")} WHERE c.ready = 1
    ORDER BY h.rank, h.arrival) AS r
  JOIN dbo.messages AS m ON m.arrival = r.arrival
  WHERE r.expires_at <= @now;
  SET @met = @@ROWCOUNT;
  SET @expired = @expired + @met;
END;
`;

/** One claim with something to work off before it. */
const thorough = (
  from: Source,
  typed: boolean,
): string => `${PROLOGUE}${read(from)}${workOff(typed)}${lease(from, typed, "c.ready = 1")}${beat(from)}SELECT c.item, c.code, c.inactive, 0 AS upkeep,
  CASE WHEN @takenBack = ${UPKEEP_MAX} OR @joinedNow = ${JOINS_PER_TRANSACTION} OR @expired >= ${UPKEEP_MAX} THEN 1 ELSE 0 END AS unfinished FROM @claims AS c;
${SELECT_DELIVERABLE}${messagesOf(from)}`;

interface ClaimRow {
  item: number;
  code: AgentRefusalCode | "CHANNEL_NOT_FOUND" | null;
  inactive: boolean;
  upkeep: number;
  unfinished: number;
}

type Item = Claim & { claimId: string };
type Answer = Claimed & { inactive: boolean; upkeep: boolean };

function claimBatch(
  name: string,
  sql: string,
  { wakes, maxItems }: { wakes: boolean; maxItems: number },
): Batch<Item, Answer> {
  return {
    name,
    sql: auditedTexts(name, sql),
    encode: (claim) => ({
      agent_id: claim.agentId,
      ...actorBeside(claim.agentId),
      ...(claim.channel === undefined ? {} : { channel: claim.channel }),
      max_messages: claim.maxMessages,
      max_bytes: claim.maxBytes,
      lease: Math.ceil(claim.leaseMilliseconds),
      claim_id: claim.claimId,
      types: claim.types === undefined ? null : [...new Set(claim.types)],
    }),
    inputs: renewalInput,
    decode(result: BatchResult, claims) {
      const rows = new Map(result.rows<ClaimRow>(0).map((row) => [row.item, row]));
      const messages = result.byItem<ReadableMessageRow & { item: number; lease_expires_at: number }>(wakes ? 2 : 1);
      return claims.map((claim, item) => decodeClaim(claim, rows.get(item), messages.get(item) ?? []));
    },
    maxItems,
    // Two claims of one mailbox in one batch would take the same heads.
    conflictKey: ({ agentId, channel }) => (channel === undefined ? agentId : mailboxOf(channel)),
    wakes,
  };
}

function decodeClaim(
  claim: Item,
  row: ClaimRow | undefined,
  leased: readonly (ReadableMessageRow & { lease_expires_at: number })[],
): Outcome<Answer> {
  if (row === undefined) throw new Error(`the batch has no outcome for a claim of ${claim.agentId}`);
  if (row.code === "CHANNEL_NOT_FOUND") return { refusal: channelNotFound(claim.channel ?? "") };
  if (row.code !== null) return { refusal: agentRefusal(row.code, claim.agentId) };
  const messages: StoredLeasedMessage[] = [...leased]
    .sort((a, b) => rankOf(a) - rankOf(b) || a.arrival - b.arrival)
    .map((message) => asLeased(readMessage(message), message.lease_expires_at));
  const unfinished = row.unfinished === 1 && messages.length < claim.maxMessages;
  return { value: { messages, unfinished, inactive: row.inactive, upkeep: row.upkeep === 1 } };
}

/** The four texts of a source: of any type or by type, and each once more with what there may be to work off. */
function claimBatches(from: Source) {
  const usual = { wakes: false, maxItems: MAX_ITEMS };
  const alone = { wakes: true, maxItems: 1 };
  const batches = (typed: boolean) => {
    const name = `claim-messages${typed ? "-typed" : ""}`;
    return {
      common: claimBatch(`${name}${from.name}`, common(from, typed), usual),
      thorough: claimBatch(`${name}-after-upkeep${from.name}`, thorough(from, typed), alone),
    };
  };
  return { any: batches(false), typed: batches(true) };
}

const FROM_OWN = claimBatches(OWN);
const FROM_QUEUE = claimBatches(QUEUE);

/**
 * Leases due messages by rank, then arrival. A claim that meets ended leases or expired messages is sent once more, alone,
 * with the text that works them off: carrying that in every claim would make each a third slower.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND
 */
export async function claimMessages(connection: Connection, claim: Claim): Promise<Claimed> {
  const item = { ...claim, claimId: claim.claimId ?? newId(connection.clock.now()) };
  const answer = await claimOnce(connection, item);
  if (!answer.inactive) return claimedOf(answer);
  await wakeAgent(connection, claim.agentId);
  // Being active again may have brought it work.
  return claimedOf(answer.messages.length > 0 ? answer : await claimOnce(connection, item));
}

async function claimOnce(connection: Connection, item: Item): Promise<Answer> {
  const from = item.channel === undefined ? FROM_OWN : FROM_QUEUE;
  const batches = item.types === undefined ? from.any : from.typed;
  const answer = await connection.run(batches.common, item);
  return answer.upkeep ? connection.run(batches.thorough, item) : answer;
}

function claimedOf({ messages, unfinished }: Answer): Claimed {
  return { messages, unfinished };
}
