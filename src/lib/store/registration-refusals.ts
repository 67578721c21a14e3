import type { RegisterAgent } from "../model/agent.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { agentNotFound } from "./refusals.ts";
import type { RegistrationAuthority } from "./store.ts";

/** Why a registration is refused under an authority that is not an admin's. */

/** What both engines may find; each code has one text here. */
export type RegistrationRefusal =
  /** `own`: the agent is not there. */
  | "AGENT_NOT_FOUND"
  /** The enrolment key is unknown, expired, revoked or used up. */
  | "UNAUTHENTICATED"
  /** The role would change. */
  | "ROLE_CHANGE"
  /** The enrolment key does not give this role. */
  | "ROLE_NOT_GIVEN"
  /** The enrolment key does not give ids that begin so. */
  | "PREFIX_NOT_GIVEN"
  /** `first_admin`: an admin has a valid credential. */
  | "ADMIN_EXISTS"
  | "ID_TAKEN"
  | "IDEMPOTENCY_MISMATCH";

/** The refusal as a caller sees it. Of who has a taken id, nothing is told. */
export function registrationRefusal(refusal: RegistrationRefusal, { agentId, role }: RegisterAgent) {
  switch (refusal) {
    case "AGENT_NOT_FOUND":
      return agentNotFound(agentId);
    case "UNAUTHENTICATED":
      return new AgentCommunicationError("UNAUTHENTICATED", "The enrolment key is not valid, or has been used up.");
    case "ROLE_CHANGE":
      return new AgentCommunicationError("FORBIDDEN", `Only an admin may make ${agentId} a ${role}.`);
    case "ROLE_NOT_GIVEN":
      return new AgentCommunicationError("FORBIDDEN", `This enrolment key cannot register agents of role ${role}.`);
    case "PREFIX_NOT_GIVEN":
      return new AgentCommunicationError("FORBIDDEN", `This enrolment key cannot register the id ${agentId}.`);
    case "ADMIN_EXISTS":
      return new AgentCommunicationError("FORBIDDEN", "An admin already has a valid credential.");
    case "ID_TAKEN":
      return new AgentCommunicationError("ID_TAKEN", `The id ${agentId} is in use; choose another.`);
    case "IDEMPOTENCY_MISMATCH": {
      const detail = "This Idempotency-Key was used to enrol another agent, or the same one with another role.";
      return new AgentCommunicationError("IDEMPOTENCY_MISMATCH", detail);
    }
  }
}

/** Refuses what needs no look at the rows: a principal registers with the roles that it has. @throws FORBIDDEN */
export function refuseOtherRoles({ role }: RegisterAgent, authority: RegistrationAuthority | undefined): void {
  if (authority?.kind !== "applicant" || authority.roles.includes(role)) return;
  throw new AgentCommunicationError("FORBIDDEN", `This principal has no app role for agents of role ${role}.`);
}
