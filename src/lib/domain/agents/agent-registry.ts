import type { z } from "zod";
import { scopedKey } from "../../base/idempotency.ts";
import {
  type Agent,
  type HeartbeatInput,
  type HeartbeatReply,
  heartbeatSchema,
  listAgentsQuerySchema,
  type RegisterAgent,
  type RegisterAgentInput,
  registerAgentSchema,
} from "../../model/agent.ts";
import { heartbeatIntervalSeconds } from "../../model/heartbeats.ts";
import { newId } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import type { RegistryStatistics } from "../../model/statistics.ts";
import { idSchema } from "../../model/values.ts";
import { newSecret } from "../../security/token.ts";
import type { RegistrationAuthority, Store } from "../../store/store.ts";
import { type RegistrationBounds, refuseBeyond } from "../credentials/registration-bounds.ts";

/** Under whose authority an agent registers: its own credential, a principal bound to it, or an enrolment key. */
export type Applicant =
  | Exclude<RegistrationAuthority, { kind: "enrolment" | "first_admin" }>
  | {
      kind: "enrolment";
      /** Of the enrolment key. */
      credentialId: string;
      /** The Idempotency-Key header, under which a repeat replaces the token until it is first used. */
      idempotencyKey?: string | undefined;
    };

/**
 * Called after each registration and deregistration, successful or not, so that the agent's rights are read anew.
 *
 * @param now as it is after the change; undefined when the change failed, or may have
 */
export type AgentChanged = (agentId: string, now: Agent | undefined) => void;

/** Who is there: registration, heartbeats, search. */
export class AgentRegistry {
  readonly #store: Store;
  readonly #heartbeatIntervalSeconds: number;

  readonly #agentChanged: AgentChanged;

  constructor(options: { store: Store; heartbeatIntervalSeconds: number; agentChanged?: AgentChanged }) {
    this.#store = options.store;
    this.#agentChanged = options.agentChanged ?? (() => undefined);
    this.#heartbeatIntervalSeconds = options.heartbeatIntervalSeconds;
  }

  /**
   * Registers, or updates and reactivates. Capabilities are a set.
   *
   * @param applicant under whose authority; an admin, and whoever embeds the switchboard, needs none
   * @param bounds of the credential with which it is asked: what may be registered
   * @returns with the token of an agent that an enrolment key has created, shown this once
   * @throws INVALID_REQUEST; FORBIDDEN beyond the bounds; with an applicant also AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, UNAUTHENTICATED
   * @example
   * await registry.register({ agentId: "backend-1", role: "worker", capabilities: ["python"], maxConcurrentTasks: 3 });
   */
  async register(
    input: RegisterAgentInput,
    applicant?: Applicant,
    bounds?: RegistrationBounds,
  ): Promise<{ agent: Agent; created: boolean; token?: string }> {
    const agent = parse(registerAgentSchema, input);
    refuseBeyond(bounds, agent);
    if (applicant?.kind !== "enrolment") return this.#register(agent, applicant);
    const { credentialId, idempotencyKey } = applicant;
    const key = scopedKey("POST /agents", credentialId, { idempotencyKey }, undefined);
    const tokenId = newId(this.#store.now());
    const { text, secretHash } = newSecret("token", tokenId);
    const token = { credentialId: tokenId, secretHash };
    const reply = await this.#register(agent, { kind: "enrolment", credentialId, token, idempotencyKey: key });
    return { ...reply, token: text };
  }

  #register(agent: RegisterAgent, authority?: RegistrationAuthority): Promise<{ agent: Agent; created: boolean }> {
    return this.#changing(
      agent.agentId,
      () => this.#store.registerAgent(agent, authority),
      (reply) => reply.agent,
    );
  }

  async #changing<Reply>(
    agentId: string,
    change: () => Promise<Reply>,
    agentOf: (reply: Reply) => Agent,
  ): Promise<Reply> {
    let now: Agent | undefined;
    try {
      const reply = await change();
      now = agentOf(reply);
      return reply;
    } finally {
      this.#agentChanged(agentId, now);
    }
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
    const id = parse(idSchema, agentId, "agent id");
    return this.#changing(
      id,
      () => this.#store.deregisterAgent(id),
      (agent) => agent,
    );
  }

  /** @param bounds as for `register` @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED; FORBIDDEN beyond the bounds */
  async heartbeat(agentId: string, input: HeartbeatInput = {}, bounds?: RegistrationBounds): Promise<HeartbeatReply> {
    const beat = parse(heartbeatSchema, input);
    refuseBeyond(bounds, beat);
    const answer = await this.#store.heartbeat({ agentId: parse(idSchema, agentId, "agent id"), ...beat });
    const { heartbeatTimeoutSeconds: own, ...reply } = answer;
    return { ...reply, heartbeatIntervalSeconds: heartbeatIntervalSeconds(own, this.#heartbeatIntervalSeconds) };
  }

  statistics(): Promise<RegistryStatistics> {
    return this.#store.registryStatistics();
  }
}
