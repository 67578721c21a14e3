import { backoffMilliseconds } from "../../backoff.ts";
import { SETTLE_MAX } from "../../limits.ts";
import { type AgentRefusalCode, agentRefusal } from "../refusals.ts";
import type { NewSettlement, SettleResult } from "../store.ts";
import { renewalInput, wakeAgent } from "./activity.ts";
import { actorBeside, recordMessages } from "./audit.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText, plainText } from "./item-text.ts";
import { MAX_ATTEMPTS_REASON } from "./message-rows.ts";
import { DECLARE_ENDED_KEYS, FREE_NEXT_OF_KEYS, LEAVE_KEYS } from "./ordering-keys.ts";
import { auditedTexts } from "./texts.ts";
import { BIN2, BY_KEY, DECLARE_DELIVERABLE, ID, PROLOGUE, raceUnless, WORD } from "./transaction.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

/**
 * The settlements of all calls with the messages that they name. `acts`: of the current attempt of the mailbox's own agent, or
 * of the member that holds a channel's message, and leased, so it settles. `status` is the answer; the repeat of an earlier settlement gets that one's.
 */
const READ = `DECLARE @settles TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, agent_no int NULL, receiver_no int NULL,
  arrival bigint NULL, attempt int NOT NULL, outcome ${WORD} NOT NULL, acts bit NOT NULL, status ${WORD} NOT NULL,
  settlement ${WORD} NULL, available_at bigint NULL, reason nvarchar(max) NULL, ordering_key ${ID} NULL, code ${WORD} NULL,
  stale bit NOT NULL, inactive bit NOT NULL, wakes bit NOT NULL);
INSERT INTO @settles (place, item, agent_no, receiver_no, arrival, attempt, outcome, acts, status, settlement, available_at, reason,
  ordering_key, code, stale, inactive, wakes)
SELECT i.[key] * ${SETTLE_MAX} + x.n, i.[key], a.agent_no, m.receiver_no, m.arrival, x.attempt, x.outcome, f.acts,
  CASE WHEN f.acts = 1 THEN t.becomes
    WHEN m.arrival IS NULL THEN 'not_found'
    WHEN m.attempt <> x.attempt OR (m.receiver_no <> a.agent_no AND (m.holder IS NULL OR m.holder <> a.agent_id)) THEN 'lease_lost'
    WHEN m.settlement = 'task_ended' THEN 'completed'
    WHEN m.settlement = 'complete' AND x.outcome = 'complete' THEN 'completed'
    WHEN m.settlement = 'retry_queued' AND x.outcome = 'retry' THEN 'queued'
    WHEN m.settlement = 'retry_dead_lettered' AND x.outcome = 'retry' THEN 'dead_lettered'
    WHEN m.settlement = 'dead_letter' AND x.outcome = 'dead_letter' THEN 'dead_lettered'
    ELSE 'lease_lost' END,
  CASE WHEN x.outcome <> 'retry' THEN x.outcome WHEN t.becomes = 'queued' THEN 'retry_queued' ELSE 'retry_dead_lettered' END,
  CASE WHEN t.becomes = 'queued' AND x.delay > 0 THEN @now + x.delay ELSE m.available_at END,
  CASE WHEN x.outcome = 'retry' AND t.becomes = 'dead_lettered' THEN COALESCE(${plainText("x.reason")}, N'${MAX_ATTEMPTS_REASON}')
    ELSE ${plainText("x.reason")} END,
  m.ordering_key,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END,
  CASE WHEN h.last_heartbeat_at < @now - @renewalMilliseconds THEN 1 ELSE 0 END, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, 0
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.settlements') WITH (n int, message_id varchar(128), attempt int, outcome varchar(24), delay bigint,
  reason nvarchar(max)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = CAST(JSON_VALUE(i.value, '$.agent_id') AS varchar(128)) ${BIN2}
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
LEFT JOIN dbo.messages AS m ON m.message_id = x.message_id ${BIN2}
CROSS APPLY (SELECT CASE WHEN x.outcome = 'complete' THEN 'completed' WHEN x.outcome = 'dead_letter' OR m.attempt >= m.attempt_limit
  THEN 'dead_lettered' ELSE 'queued' END AS becomes) AS t
CROSS APPLY (SELECT CASE WHEN a.status <> 'deregistered' AND (m.receiver_no = a.agent_no OR m.holder = a.agent_id)
  AND m.attempt = x.attempt AND m.status = 'leased' THEN 1 ELSE 0 END AS acts) AS f
${BY_KEY};
`;

/** The same message twice: the first settles; the others repeat it, or come too late. */
const FIRST_ACTS = `UPDATE s SET acts = 0, status = CASE WHEN f.outcome = s.outcome THEN f.status ELSE 'lease_lost' END
FROM @settles AS s JOIN @settles AS f ON f.arrival = s.arrival AND f.acts = 1
WHERE s.acts = 1 AND s.place > f.place AND f.place = (SELECT MIN(x.place) FROM @settles AS x WHERE x.arrival = s.arrival AND x.acts = 1);
`;

/** The messages, their keys and their counts. */
const WRITE = `DECLARE @settled int, @keyed int, @stale int;
SELECT @settled = COALESCE(SUM(CAST(acts AS int)), 0), @keyed = SUM(CASE WHEN acts = 1 AND ordering_key IS NOT NULL
  AND status <> 'queued' THEN 1 ELSE 0 END), @stale = SUM(CAST(stale AS int)) FROM @settles;
IF @settled > 0
BEGIN
  BEGIN TRANSACTION;
  IF @keyed > 0
  BEGIN
    ${DECLARE_DELIVERABLE}${DECLARE_ENDED_KEYS}INSERT INTO @ended_keys (receiver_no, ordering_key, ended)
    SELECT s.receiver_no, s.ordering_key, COUNT(*) FROM @settles AS s
    WHERE s.acts = 1 AND s.ordering_key IS NOT NULL AND s.status <> 'queued' GROUP BY s.receiver_no, s.ordering_key;
    ${LEAVE_KEYS}  END;
  UPDATE m SET status = s.status, lease_expires_at = NULL, claim_id = NULL, available_at = s.available_at,
    ended_at = CASE WHEN s.status = 'queued' THEN NULL ELSE @now END, settlement = s.settlement, reason = COALESCE(s.reason, m.reason)
  FROM @settles AS s JOIN dbo.messages AS m ON m.arrival = s.arrival
  WHERE s.acts = 1 AND m.status = 'leased' AND m.attempt = s.attempt
  ${BY_KEY};
  ${raceUnless("@settled")}  ${recordMessages({
    action: "message.settled",
    item: "s.item",
    agentId: "a.agent_id",
    messageId: "m.message_id",
    detail: { attempt: { number: "s.attempt" }, agentId: { word: "a.agent_id" }, status: { word: "s.status" } },
    from: `FROM @settles AS s JOIN dbo.messages AS m ON m.arrival = s.arrival JOIN dbo.agents AS a ON a.agent_no = s.agent_no
  WHERE s.acts = 1 ORDER BY s.place
  ${BY_KEY}`,
  })}  IF @keyed > 0
  BEGIN
    ${FREE_NEXT_OF_KEYS}    UPDATE s SET wakes = 1 FROM @settles AS s JOIN @deliverable AS d ON d.agent_no = s.receiver_no;
  END;
  UPDATE c SET value = c.value + d.delta
  FROM (SELECT CONCAT('mailbox:', s.receiver_no) AS name, -COUNT(*) AS delta FROM @settles AS s
      WHERE s.acts = 1 AND s.status <> 'queued' GROUP BY s.receiver_no
    UNION ALL SELECT CONCAT('messages:', s.status), COUNT(*) FROM @settles AS s WHERE s.acts = 1 GROUP BY s.status
    UNION ALL SELECT 'messages:leased', -@settled) AS d
  JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
  ${BY_KEY};
  ${raceUnless(`(SELECT COUNT(DISTINCT s.status) + COUNT(DISTINCT CASE WHEN s.status <> 'queued' THEN s.receiver_no END) + 1
    FROM @settles AS s WHERE s.acts = 1)`)}  COMMIT TRANSACTION;
END;
`;

/** An accepted call counts as a heartbeat. */
const ANSWER = `IF @stale > 0
  UPDATE h SET last_heartbeat_at = @now
  FROM @settles AS s JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
  WHERE s.stale = 1 AND s.code IS NULL AND s.status NOT IN ('lease_lost', 'not_found') AND h.beating = 1
    AND h.last_heartbeat_at < @now - @renewalMilliseconds;
SELECT s.item, s.place % ${SETTLE_MAX} AS n, s.code, s.status, s.inactive FROM @settles AS s ORDER BY s.place;
SELECT DISTINCT r.agent_id FROM @settles AS s JOIN dbo.agents AS r ON r.agent_no = s.receiver_no
WHERE s.acts = 1 AND (s.wakes = 1 OR s.status = 'queued')
${BY_KEY};
`;

const DISTINCT = auditedTexts("settle-messages distinct", `${PROLOGUE}${READ}${WRITE}${ANSWER}`);
const REPEATING = auditedTexts("settle-messages repeating", `${PROLOGUE}${READ}${FIRST_ACTS}${WRITE}${ANSWER}`);

interface SettleCall {
  agentId: string;
  settlements: readonly NewSettlement[];
}

interface SettleRow {
  item: number;
  n: number;
  code: AgentRefusalCode | null;
  status: SettleResult["status"];
  inactive: boolean;
}

interface Settled {
  results: SettleResult[];
  wakes: boolean;
}

/** A call without settlements still tells whether its agent may settle. */
const NOTHING: NewSettlement = { messageId: "", attempt: 0, outcome: "complete" };

const SETTLE: Batch<SettleCall, Settled> = {
  name: "settle-messages",
  sql: (calls) => {
    const ids = calls.flatMap(({ settlements }) => settlements.map(({ messageId }) => messageId));
    return new Set(ids).size === ids.length ? DISTINCT : REPEATING;
  },
  encode: ({ agentId, settlements }) => ({
    agent_id: agentId,
    ...actorBeside(agentId),
    settlements: (settlements.length === 0 ? [NOTHING] : settlements).map((settlement, n) => ({
      n,
      message_id: settlement.messageId,
      attempt: settlement.attempt,
      outcome: settlement.outcome,
      delay: Math.ceil(settlement.delayMilliseconds ?? backoffMilliseconds(settlement.attempt)),
      ...(settlement.reason === undefined ? {} : { reason: itemText(settlement.reason) }),
    })),
  }),
  inputs: renewalInput,
  decode(result, calls) {
    const rows = result.byItem<SettleRow>(0);
    return calls.map(({ agentId, settlements }, item) => {
      const own = rows.get(item) ?? [];
      const code = own[0]?.code ?? null;
      if (code !== null) return { refusal: agentRefusal(code, agentId) };
      const results = settlements.map(({ messageId }, n): SettleResult => {
        const row = own[n];
        if (row === undefined) throw new Error(`the batch has no outcome for settlement ${n} of a call`);
        return { messageId, status: row.status };
      });
      const accepted = results.some(({ status }) => status !== "lease_lost" && status !== "not_found");
      return { value: { results, wakes: accepted && own[0]?.inactive === true } };
    });
  },
  maxItems: MAX_ITEMS,
  wakes: true,
};

/**
 * Settles one by one, in order, as if sent alone. Only the current attempt of the mailbox's own agent writes.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export async function settleMessages(
  connection: Connection,
  agentId: string,
  settlements: readonly NewSettlement[],
): Promise<SettleResult[]> {
  const { results, wakes } = await connection.run(SETTLE, { agentId, settlements });
  if (wakes) await wakeAgent(connection, agentId);
  return results;
}
