import { BoundedMap } from "../base/bounded-map.ts";
import { CREDENTIAL_CACHE_MILLISECONDS } from "../domain/credentials/credential-cache.ts";
import type { AgentRole } from "../model/agent.ts";
import { isAgentCommunicationError } from "../model/errors.ts";
import type { Store } from "../store/store.ts";

/** Agents whose role is remembered at most. */
const REMEMBERED_MAX = 10_000;

interface Remembered {
  role: AgentRole;
  /** Before the store was asked. */
  askedAt: number;
}

/**
 * The registered roles of agents that Entra ID principals act as; tokens and certificates bring theirs along. As old as
 * credentials may be, and agents that are not registered are asked for each time: they are about to be.
 */
export class AgentRoles {
  readonly #store: Pick<Store, "getAgent" | "now">;
  readonly #remembered = new BoundedMap<string, Remembered>(REMEMBERED_MAX);
  /** How often this process has changed an agent. */
  #changes = 0;

  constructor(store: Pick<Store, "getAgent" | "now">) {
    this.#store = store;
  }

  /** What this process itself has changed is read again, also where it is being read at this moment. */
  forget(agentId: string): void {
    this.#remembered.delete(agentId);
    this.#changes += 1;
  }

  /** Undefined for an agent that is not registered. @param anew asks the store in any case */
  async of(agentId: string, anew = false): Promise<AgentRole | undefined> {
    const askedAt = this.#store.now();
    const remembered = this.#remembered.get(agentId);
    const age = remembered === undefined ? -1 : askedAt - remembered.askedAt;
    if (!anew && remembered !== undefined && age >= 0 && age < CREDENTIAL_CACHE_MILLISECONDS) return remembered.role;
    this.#remembered.delete(agentId);
    const changes = this.#changes;
    const role = await this.#read(agentId);
    if (role === undefined || changes !== this.#changes) return role;
    this.#remembered.set(agentId, { role, askedAt });
    return role;
  }

  async #read(agentId: string): Promise<AgentRole | undefined> {
    try {
      return (await this.#store.getAgent(agentId)).role;
    } catch (error) {
      if (isAgentCommunicationError(error, "AGENT_NOT_FOUND")) return undefined;
      throw error;
    }
  }
}
