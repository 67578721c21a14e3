import { AgentCommunicationError } from "../../errors.ts";
import type { StoreSettings } from "../store.ts";
import { type Input, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { changeBeat } from "./heartbeats.ts";
import { BY_KEY } from "./transaction.ts";

const GONE: ReadonlySet<string> = new Set(["AGENT_NOT_FOUND", "AGENT_DEREGISTERED"]);

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/** The input that RENEW_HEARTBEATS needs: how old a stored heartbeat may grow. */
export function renewalInput(settings: StoreSettings): { renewalMilliseconds: Input } {
  return { renewalMilliseconds: int(Math.round(settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE)) };
}

/** The agents of accepted calls. */
export const DECLARE_CALLERS = "DECLARE @callers TABLE (agent_no int NOT NULL PRIMARY KEY);\n";

/**
 * For verbs that hand nothing out: renews the heartbeats of @callers, after the COMMIT of the verb. Callers that were read as
 * inactive are not in it: the batch says so in its outcome, and the verb then calls wakeAgent. Two round trips instead of one,
 * but only for an agent that had fallen silent, and the text of the hand-out stays out of the hottest batches.
 */
export const RENEW_HEARTBEATS = `UPDATE h SET last_heartbeat_at = @now
FROM @callers AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - @renewalMilliseconds
${BY_KEY};
`;

/** Makes the agent of an accepted call active again, and hands it waiting work. */
export async function wakeAgent(connection: Connection, agentId: string): Promise<void> {
  try {
    await changeBeat(connection, { agentId });
  } catch (error) {
    // It deregistered since: then it is not to be active, and the call was accepted all the same.
    if (!(error instanceof AgentCommunicationError && GONE.has(error.code))) throw error;
  }
}
