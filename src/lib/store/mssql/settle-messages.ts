import { backoffMilliseconds } from "../../model/backoff.ts";
import { type AgentRefusalCode, agentRefusal } from "../refusals.ts";
import type { NewSettlement, SettleResult } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { actorBeside } from "./audit.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** Calls in one batch. */
const MAX_ITEMS = 64;

const ONE = procedure("settle_one_message");
const DISTINCT = procedure("settle_messages");
const REPEATING = procedure("settle_messages_repeating");

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
    if (calls.length === 1 && ids.length <= 1) return ONE;
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
