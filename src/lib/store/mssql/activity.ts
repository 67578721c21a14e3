import { AgentCommunicationError } from "../../errors.ts";
import type { StoreSettings } from "../store.ts";
import { type Input, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { changeBeat } from "./heartbeats.ts";

const GONE: ReadonlySet<string> = new Set(["AGENT_NOT_FOUND", "AGENT_DEREGISTERED"]);

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/** The input that RENEW_HEARTBEATS needs: how old a stored heartbeat may grow. */
export function renewalInput(settings: StoreSettings): { renewalMilliseconds: Input } {
  return { renewalMilliseconds: int(Math.round(settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE)) };
}

/** Makes the agent of an accepted call active again, and hands it waiting work. */
export async function wakeAgent(connection: Connection, agentId: string): Promise<void> {
  try {
    await changeBeat(connection, { agentId });
  } catch (error) {
    // It deregistered since: then it is not to be active, and the call was accepted all the same.
    if (!(error instanceof AgentCommunicationError && GONE.has(error.code))) throw error;
  }
}
