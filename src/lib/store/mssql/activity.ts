import { AgentCommunicationError } from "../../model/errors.ts";
import type { Connection } from "./connection.ts";
import { changeBeat } from "./heartbeats.ts";

const GONE: ReadonlySet<string> = new Set(["AGENT_NOT_FOUND", "AGENT_DEREGISTERED"]);

/** Makes the agent of an accepted call active again, and hands it waiting work. */
export async function wakeAgent(connection: Connection, agentId: string): Promise<void> {
  try {
    await changeBeat(connection, { agentId });
  } catch (error) {
    // It deregistered since: then it is not to be active, and the call was accepted all the same.
    if (!(error instanceof AgentCommunicationError && GONE.has(error.code))) throw error;
  }
}
