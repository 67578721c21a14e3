import type { LookupOptions } from "../domain/credentials/credential-cache.ts";
import type { BoundPrincipal, CredentialRegistry } from "../domain/credentials/credential-registry.ts";
import type { AgentRole } from "../model/agent.ts";
import { isInScope } from "../model/credential.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { EntraPrincipal } from "../security/entra-tokens.ts";
import type { AgentRoles } from "./agent-roles.ts";
import type { AgentCaller } from "./caller.ts";

/** As which agent an application of Entra ID calls, and in which role. */

function forbidden(detail: string): AgentCommunicationError {
  return new AgentCommunicationError("FORBIDDEN", detail);
}

/** The id under which an administrating application acts that is bound to no agent: so it can make the first bindings. */
function ownId({ objectId }: EntraPrincipal): string {
  return `entra:${objectId}`;
}

function chosenOf(bound: BoundPrincipal, wanted: string | undefined): string {
  if (wanted === undefined) {
    const only = bound.agentIds?.length === 1 ? bound.agentIds[0] : undefined;
    if (only !== undefined) return only;
    const detail = "X-Agent-Id: must name the agent that the application acts as.";
    throw new AgentCommunicationError("INVALID_REQUEST", detail);
  }
  if (isInScope(bound, wanted)) return wanted;
  throw forbidden(`The application is not bound to agent ${wanted}.`);
}

/** The role in which it acts: that of the agent, which must be one of the application's. */
function actingRole(agentId: string, registered: AgentRole | undefined, roles: readonly AgentRole[]): AgentRole {
  const [first] = roles;
  if (first === undefined) throw forbidden("The application has no app role.");
  if (registered === undefined) return first;
  if (roles.includes(registered)) return registered;
  throw forbidden(`${agentId} is a ${registered}, and the application has no app role for that.`);
}

/**
 * The caller that a verified principal is.
 *
 * @param wanted the X-Agent-Id header: which of its agents
 * @throws FORBIDDEN, INVALID_REQUEST
 */
export async function entraCaller(
  principal: EntraPrincipal,
  wanted: string | undefined,
  { credentials, roles, options }: { credentials: CredentialRegistry; roles: AgentRoles; options: LookupOptions },
): Promise<AgentCaller> {
  const bound = await credentials.findPrincipal(principal.objectId, options);
  if (bound === undefined && !principal.roles.includes("admin")) {
    throw forbidden(`The application ${principal.objectId} is not bound to an agent; an admin has to bind it.`);
  }
  const scope: BoundPrincipal = bound ?? { credentialId: ownId(principal), agentIds: [ownId(principal)] };
  const agentId = chosenOf(scope, wanted);
  return {
    kind: "agent",
    agentId,
    role: actingRole(agentId, await roles.of(agentId, options.anew), principal.roles),
    roles: principal.roles,
    credential: "entra",
    credentialId: scope.credentialId,
    bounds: scope.bounds,
  };
}
