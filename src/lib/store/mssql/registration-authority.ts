import type { RegisterAgent } from "../../model/agent.ts";
import type { JsonValue } from "../../model/json.ts";
import { actorOf } from "../../trace/call-context.ts";
import { refuseOtherRoles } from "../registration-refusals.ts";
import type { RegistrationAuthority } from "../store.ts";
import { itemText } from "./item-text.ts";

/**
 * What an authority lets a registration do, decided before anything is written: fragments of the text of register-agent.ts
 * for registrations that have one.
 */

/** What AUTHORISE reads of a registration. @throws FORBIDDEN for a role that needs no look at the rows */
export function encodeAuthority(agent: RegisterAgent, authority: RegistrationAuthority | undefined): JsonValue {
  refuseOtherRoles(agent, authority);
  if (authority === undefined) return null;
  const { kind } = authority;
  if (kind === "first_admin") {
    const { credentialId, secretHash, label, expiresInMilliseconds = null } = authority.token;
    const labelText = label === undefined ? null : itemText(label);
    const again = authority.again ? 1 : 0;
    const token = { tokenId: credentialId, secretHash, label: labelText, expiresIn: expiresInMilliseconds };
    return { kind, ...token, again, issuer: actorOf() };
  }
  if (kind !== "enrolment") return { kind };
  const { credentialId, token, idempotencyKey = null } = authority;
  return {
    kind,
    keyId: credentialId,
    tokenId: token.credentialId,
    secretHash: token.secretHash,
    request: idempotencyKey,
  };
}
