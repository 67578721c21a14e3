import type { RegistrationBounds } from "../domain/credentials/registration-bounds.ts";
import type { AgentRole } from "../model/agent.ts";
import type { CredentialKind } from "../model/credential-kind.ts";

/** Who makes a request, as far as that has been proved. */

/** Authentication mode `none`: whoever the request names is believed. */
export interface BelievedCaller {
  kind: "believed";
}

/** Mode `required`, and no credential came along: enough for the routes that need none. */
export interface AnonymousCaller {
  kind: "anonymous";
}

/** An agent with a valid credential of its own. */
export interface AgentCaller {
  kind: "agent";
  agentId: string;
  /** The role that decides: the registered one, or for an agent that is not registered yet the first of `roles`. */
  role: AgentRole;
  /** The roles under which it may register; more than one only for an Entra principal with several app roles. */
  roles: readonly AgentRole[];
  credential: Exclude<CredentialKind, "none">;
  /** Which credential it was: an id, never a secret. */
  credentialId: string;
  /** What may be registered with it. */
  bounds?: RegistrationBounds | undefined;
  /**
   * Who it is now, for calls that wait: the credential may have been revoked meanwhile, the agent have another role. Absent
   * where there is nothing to ask.
   *
   * @param anew nothing that was read before counts
   * @throws as a gate
   */
  confirm?: (anew?: boolean) => Promise<AgentCaller>;
}

/** Whoever holds an enrolment key: may register a new agent, and nothing else. */
export interface EnrolmentCaller {
  kind: "enrolment";
  credentialId: string;
  /** Never admin. */
  roles: readonly AgentRole[];
  agentIdPrefix: string;
  bounds?: RegistrationBounds | undefined;
}

export type Caller = BelievedCaller | AnonymousCaller | AgentCaller | EnrolmentCaller;
