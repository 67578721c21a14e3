import type { z } from "zod";
import { parse } from "../parse.ts";
import type { RegistryStatistics } from "../statistics/statistics.ts";
import type { Store } from "../store/store.ts";
import { idSchema } from "../values.ts";
import {
  type Agent,
  type HeartbeatInput,
  type HeartbeatReply,
  heartbeatSchema,
  listAgentsQuerySchema,
  type RegisterAgentInput,
  registerAgentSchema,
} from "./agent.ts";

/** Who is there: registration, heartbeats, search. */
export class AgentRegistry {
  readonly #store: Store;
  readonly #heartbeatIntervalSeconds: number;

  constructor(options: { store: Store; heartbeatIntervalSeconds: number }) {
    this.#store = options.store;
    this.#heartbeatIntervalSeconds = options.heartbeatIntervalSeconds;
  }

  /**
   * Registers, or updates and reactivates. Capabilities are a set.
   *
   * @throws INVALID_REQUEST
   * @example
   * await registry.register({ agentId: "backend-1", role: "worker", capabilities: ["python"], maxConcurrentTasks: 3 });
   */
  async register(input: RegisterAgentInput): Promise<{ agent: Agent; created: boolean }> {
    return this.#store.registerAgent(parse(registerAgentSchema, input));
  }

  /** @throws AGENT_NOT_FOUND */
  async get(agentId: string): Promise<Agent> {
    return this.#store.getAgent(parse(idSchema, agentId, "agent id"));
  }

  /** By id. @throws INVALID_REQUEST for a cursor of other filters */
  async list(
    query: z.input<typeof listAgentsQuerySchema> = {},
  ): Promise<{ agents: Agent[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listAgents(parse(listAgentsQuerySchema, query));
    return { agents: items, nextCursor };
  }

  /** Its tasks go to others without using a retry. @throws AGENT_NOT_FOUND */
  async deregister(agentId: string): Promise<Agent> {
    return this.#store.deregisterAgent(parse(idSchema, agentId, "agent id"));
  }

  /** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  async heartbeat(agentId: string, input: HeartbeatInput = {}): Promise<HeartbeatReply> {
    const beat = parse(heartbeatSchema, input);
    const reply = await this.#store.heartbeat({ agentId: parse(idSchema, agentId, "agent id"), ...beat });
    return { ...reply, heartbeatIntervalSeconds: this.#heartbeatIntervalSeconds };
  }

  statistics(): Promise<RegistryStatistics> {
    return this.#store.registryStatistics();
  }
}
