import { AgentRegistry } from "../../src/lib/domain/agents/agent-registry.ts";
import { CredentialRegistry } from "../../src/lib/domain/credentials/credential-registry.ts";
import { isAgentCommunicationError } from "../../src/lib/model/errors.ts";
import type { Store } from "../../src/lib/store/store.ts";

/**
 * The first admin of a service that nobody reaches the database of: an Entra ID principal is let in as the agent `admin`, so
 * that no token has to be carried out of the network. From then on admins make admins.
 */

const AGENT_ID = "admin";

/**
 * @param objectId of the principal, the `oid` of its tokens
 * @throws Error when the id is that of an agent of another role
 */
export async function bindFirstAdmin(store: Store, objectId: string): Promise<"bound" | "there already"> {
  const registry = new AgentRegistry({ store, heartbeatIntervalSeconds: 30 });
  const known = await registry.get(AGENT_ID).catch((error: unknown) => {
    if (isAgentCommunicationError(error, "AGENT_NOT_FOUND")) return undefined;
    throw error;
  });
  if (known !== undefined && known.role !== "admin") throw new Error(`${AGENT_ID} is a ${known.role}`);
  if (known === undefined) await registry.register({ agentId: AGENT_ID, role: "admin", maxConcurrentTasks: 0 });
  try {
    const label = "made by the deployment";
    await new CredentialRegistry({ store }).issue({ kind: "principal", objectId, agentIds: [AGENT_ID], label });
    return "bound";
  } catch (error) {
    // Bound already, to this agent or, by an admin, to others: then it is theirs to say.
    if (isAgentCommunicationError(error, "ID_TAKEN")) return "there already";
    throw error;
  }
}
