import { AgentCommunicationError } from "../../model/errors.ts";
import type { SettleReply } from "../../model/message.ts";
import { granteesOf } from "../channel-reading.ts";
import { iso } from "../instants.ts";
import { type AgentRefusalCode, agentRefusal } from "../refusals.ts";
import type { Renewal } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

const RENEW_SQL = procedure("renew_leases");

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
  encode: ({ agentId, messageId, attempt, leaseMilliseconds, reader }) => ({
    agent_id: agentId,
    message_id: messageId,
    attempt,
    lease: Math.ceil(leaseMilliseconds),
    ...(reader !== undefined && { reader: granteesOf(reader)[1] }),
  }),
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
