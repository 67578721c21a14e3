import { type CallOptions, RouteCaller } from "./route-caller.ts";
import type { BodyOf, QueryOf } from "./route-types.ts";

/** The routes of agents and of what they prove themselves by; the rest of them is in AgentClient. */
export class RegistryClient extends RouteCaller {
  // agents ----------------------------------------------------------------------------------------------------------

  /**
   * Creates the agent, or updates and reactivates it. With an enrolment key as the client's token it creates a new one, whose
   * own `token` is in the reply, this once. A repeat after a lost answer gets another token instead, as long as the first one
   * is unused: the Idempotency-Key that this takes is created when the caller gives none.
   */
  registerAgent(agent: BodyOf<"POST /agents">, options?: CallOptions) {
    return this.call("POST /agents", { body: agent }, options);
  }

  getAgent(agentId: string, options?: CallOptions) {
    return this.call("GET /agents/{agentId}", { params: { agentId } }, options);
  }

  /** By id; `nextCursor` is null at the end. */
  listAgents(query: QueryOf<"GET /agents"> = {}, options?: CallOptions) {
    return this.call("GET /agents", { query }, options);
  }

  /** The agents that the caller may write to, by id: what they can do and whether they are there. */
  listDirectory(query: QueryOf<"GET /directory"> = {}, options?: CallOptions) {
    return this.call("GET /directory", { query }, options);
  }

  /** Gives its tasks back without using a retry; its mailbox is dead-lettered by the next sweep. */
  deregisterAgent(agentId: string, options?: CallOptions) {
    return this.call("DELETE /agents/{agentId}", { params: { agentId } }, options);
  }

  heartbeat(agentId: string, body: BodyOf<"POST /agents/{agentId}/heartbeat"> = {}, options?: CallOptions) {
    return this.call("POST /agents/{agentId}/heartbeat", { params: { agentId }, body }, options);
  }

  // credentials -----------------------------------------------------------------------------------------------------

  /** The `secret` of a token or an enrolment key is shown this once. Not repeated after a lost connection. */
  issueCredential(credential: BodyOf<"POST /credentials">, options?: CallOptions) {
    return this.call("POST /credentials", { body: credential }, options);
  }

  /** Newest first, without secrets. */
  listCredentials(query: QueryOf<"GET /credentials"> = {}, options?: CallOptions) {
    return this.call("GET /credentials", { query }, options);
  }

  /** For good: everywhere within 5 s. */
  revokeCredential(credentialId: string, options?: CallOptions) {
    return this.call("DELETE /credentials/{credentialId}", { params: { credentialId } }, options);
  }

  /** What is known of the token that this client shows: whose it is, when it was made, when it expires. */
  getOwnToken(options?: CallOptions) {
    return this.call("GET /token", {}, options);
  }

  /**
   * A new `token` for the one that this client shows, this once. The old one is valid until the new one is first used, so a lost
   * answer loses nothing: ask again.
   */
  renewToken(agentId: string, options?: CallOptions) {
    return this.call("POST /agents/{agentId}/token", { params: { agentId }, body: {} }, options);
  }
}
