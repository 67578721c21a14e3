import { AgentCommunicationError } from "../../errors.ts";
import type { SettleReply } from "../../messages/message.ts";
import { iso } from "../instants.ts";
import { type AgentRefusalCode, agentRefusal } from "../refusals.ts";
import type { Renewal } from "../store.ts";
import { renewalInput, wakeAgent } from "./activity.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";

import { sqlText } from "./texts.ts";
import { BIN2, BY_KEY, PROLOGUE, raceUnless, WORD } from "./transaction.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

const RENEW_SQL = sqlText(
  "renew-leases",
  `${PROLOGUE}DECLARE @renewals TABLE (item int NOT NULL PRIMARY KEY, agent_no int NULL, arrival bigint NULL, attempt int NOT NULL,
  lease_expires_at bigint NOT NULL, answer ${WORD} NULL, code ${WORD} NULL, stale bit NOT NULL, inactive bit NOT NULL);
INSERT INTO @renewals (item, agent_no, arrival, attempt, lease_expires_at, answer, code, stale, inactive)
SELECT x.item, a.agent_no, m.arrival, x.attempt, @now + x.lease,
  CASE WHEN (m.receiver_no = a.agent_no OR m.holder = a.agent_id) AND m.attempt = x.attempt
    THEN CASE WHEN m.settlement = 'task_ended' THEN 'completed' WHEN m.status = 'leased' THEN 'leased' END END,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
    WHEN m.arrival IS NULL THEN 'MESSAGE_NOT_FOUND'
    WHEN (m.receiver_no = a.agent_no OR m.holder = a.agent_id) AND m.attempt = x.attempt AND (m.settlement = 'task_ended' OR m.status = 'leased') THEN NULL
    ELSE 'LEASE_LOST' END,
  CASE WHEN h.last_heartbeat_at < @now - @renewalMilliseconds THEN 1 ELSE 0 END, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128), attempt int, lease bigint) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id ${BIN2}
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
LEFT JOIN dbo.messages AS m ON m.message_id = x.message_id ${BIN2}
${BY_KEY};
DECLARE @renewed int = (SELECT COUNT(*) FROM @renewals WHERE code IS NULL AND answer = 'leased');
IF @renewed > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE m SET lease_expires_at = r.lease_expires_at
  FROM @renewals AS r JOIN dbo.messages AS m ON m.arrival = r.arrival
  WHERE r.code IS NULL AND r.answer = 'leased' AND m.status = 'leased' AND m.attempt = r.attempt
  ${BY_KEY};
  ${raceUnless("@renewed")}  COMMIT TRANSACTION;
  UPDATE h SET last_heartbeat_at = @now
  FROM @renewals AS r JOIN dbo.agent_heartbeats AS h ON h.agent_no = r.agent_no
  WHERE r.stale = 1 AND r.code IS NULL AND r.answer = 'leased' AND h.beating = 1
    AND h.last_heartbeat_at < @now - @renewalMilliseconds;
END;
SELECT r.item, r.code, r.answer, r.lease_expires_at, r.inactive FROM @renewals AS r;
`,
);

interface RenewalRow extends OutcomeRow {
  code: AgentRefusalCode | "MESSAGE_NOT_FOUND" | "LEASE_LOST" | null;
  answer: "completed" | "leased" | null;
  lease_expires_at: number;
  inactive: boolean;
}

function renewalRefusal(
  code: NonNullable<RenewalRow["code"]>,
  { agentId, messageId, attempt }: Renewal,
): AgentCommunicationError {
  if (code === "MESSAGE_NOT_FOUND") {
    return new AgentCommunicationError("MESSAGE_NOT_FOUND", `There is no message ${messageId}.`);
  }
  if (code !== "LEASE_LOST") return agentRefusal(code, agentId);
  const detail = `Message ${messageId} is not leased by ${agentId} in attempt ${attempt}.`;
  return new AgentCommunicationError("LEASE_LOST", detail);
}

const RENEW: Batch<Renewal, { reply: SettleReply; wakes: boolean }> = {
  name: "renew-leases",
  sql: RENEW_SQL,
  encode: ({ agentId, messageId, attempt, leaseMilliseconds }) => ({
    agent_id: agentId,
    message_id: messageId,
    attempt,
    lease: Math.ceil(leaseMilliseconds),
  }),
  inputs: renewalInput,
  decode: (result, renewals) =>
    outcomeRows<RenewalRow>(result, renewals).map((row, item) => {
      const renewal = renewals[item];
      if (renewal === undefined) throw new Error("an outcome without its renewal");
      const { messageId } = renewal;
      if (row.code !== null) return { refusal: renewalRefusal(row.code, renewal) };
      if (row.answer === "completed") return { value: { reply: { messageId, status: "completed" }, wakes: false } };
      const reply: SettleReply = { messageId, status: "leased", leaseExpiresAt: iso(row.lease_expires_at) };
      return { value: { reply, wakes: row.inactive } };
    }),
  maxItems: MAX_ITEMS,
  conflictKey: ({ messageId }) => messageId,
  wakes: false,
};

/**
 * Moves the end of a lease to now + `leaseMilliseconds`. A lease that has ended, but has not been taken back, is renewed.
 *
 * @throws MESSAGE_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export async function renewLease(connection: Connection, renewal: Renewal): Promise<SettleReply> {
  const { reply, wakes } = await connection.run(RENEW, renewal);
  if (wakes) await wakeAgent(connection, renewal.agentId);
  return reply;
}
