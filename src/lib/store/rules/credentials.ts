import type { NewAuditEntry } from "../../model/audit.ts";
import type { Credential } from "../../model/credential.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { LIVE_TOKENS_MAX, PENDING_RENEWALS_MAX } from "../../model/limits.ts";
import type { NewCredential, TokenRenewal } from "../calls.ts";
import { readStoredCredential, type StoredCredential } from "../credential-reading.ts";
import type { Deciding, Decision } from "../decision.ts";
import { agentNotFound } from "../refusals.ts";

/**
 * What becomes of credentials, and what is refused.
 *
 * A renewal waits for its first use, and only that ends the old one: so a lost answer, or a process that dies before it has kept
 * the new token, leaves the agent with the one that it has.
 */

/** A row with the number of the agent. */
export interface CredentialRow extends StoredCredential {
  agent_no: number | null;
}

/** What the audit says of a credential that ends. */
type Ending = Pick<StoredCredential, "credential_id" | "kind" | "agent_id">;

/** What is read before credentials change. */
export interface SeenCredentials {
  credential(credentialId: string): CredentialRow | undefined;
  /** Renewals of a token that nobody has used yet, newest first. */
  unusedRenewals(credentialId: string): readonly Ending[];
  /** Tokens of the agent whose token it is that are neither revoked nor expired, counted up to a few more than LIVE_TOKENS_MAX. */
  liveTokens(credentialId: string): number;
  /** The number of the agent that a new credential is for. */
  agentNo: number | undefined;
  /** Whether the principal or certificate of a new credential has a binding in force. */
  isBound: boolean;
}

/** The rows to write. */
export interface CredentialChange {
  /** To be added, where its `renews`, if any, is not revoked. Its own number is given then. */
  issued?: CredentialRow;
  /** Ids of those that are revoked now, and were not before. */
  ended: readonly string[];
}

type CredentialDecision = Decision<Credential, CredentialChange>;

type Action = Extract<NewAuditEntry["action"], `credential.${string}`>;

function entry(action: Action, credentialId: string, detail: NewAuditEntry["detail"]): NewAuditEntry {
  return { action, subjectKind: "credential", subjectId: credentialId, detail };
}

/** The entry about the end of a credential. @param renewedBy the renewal whose first use ends it */
export function endingEntry({ credential_id, kind, agent_id }: Ending, renewedBy?: string): NewAuditEntry {
  const ofAgent = agent_id !== null && { agentId: agent_id };
  return entry("credential.revoked", credential_id, {
    kind,
    ...ofAgent,
    ...(renewedBy !== undefined && { renewedBy }),
  });
}

/** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
export function decideIssue(
  credential: NewCredential,
  seen: SeenCredentials,
  { now, actorOf }: Deciding,
): CredentialDecision {
  const { credentialId, kind } = credential;
  const known = seen.credential(credentialId);
  if (known !== undefined) return { answer: readStoredCredential(known) };
  const agentId = "agentId" in credential ? credential.agentId : undefined;
  if (agentId !== undefined && seen.agentNo === undefined) throw agentNotFound(agentId);
  if (seen.isBound) throw alreadyBound(kind);
  const issued = {
    ...newRow(credential, now),
    created_by: actorOf(),
    agent_no: seen.agentNo ?? null,
    agent_id: agentId ?? null,
  };
  return {
    answer: readStoredCredential(issued),
    change: { issued, ended: [] },
    entries: [entry("credential.issued", credentialId, { kind, ...(agentId !== undefined && { agentId }) })],
  };
}

function alreadyBound(kind: string): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `This ${kind} is already bound; revoke that binding first.`);
}

/**
 * Another token of the same agent, with what the old one has.
 *
 * @throws UNAUTHENTICATED: the old one is no token, revoked or expired; FORBIDDEN: the agent has LIVE_TOKENS_MAX already
 */
export function decideRenewal(
  { credentialId, token }: TokenRenewal,
  seen: SeenCredentials,
  { now, actorOf }: Deciding,
): CredentialDecision {
  const known = seen.credential(token.credentialId);
  if (known !== undefined) return { answer: readStoredCredential(known) };
  const old = seen.credential(credentialId);
  if (old?.kind !== "token" || old.revoked_at !== null) throw notRenewable();
  if (old.expires_at !== null && old.expires_at <= now) throw notRenewable();
  const ended = seen.unusedRenewals(credentialId).slice(PENDING_RENEWALS_MAX - 1);
  if (seen.liveTokens(credentialId) - ended.length >= LIVE_TOKENS_MAX) throw tooManyTokens();
  const agentId = old.agent_id ?? "";
  const actor = actorOf(agentId);
  const issued = {
    ...old,
    credential_id: token.credentialId,
    secret_hash: token.secretHash,
    created_at: now,
    created_by: actor,
    expires_at: old.expires_at === null ? null : now + old.expires_at - old.created_at,
    last_used_at: null,
    renews: credentialId,
  };
  const renewed = entry("credential.renewed", token.credentialId, { agentId, renews: credentialId });
  return {
    answer: readStoredCredential(issued),
    change: { issued, ended: idsOf(ended) },
    entries: [...ended.map((row) => endingEntry(row)), { ...renewed, actor }],
  };
}

function tooManyTokens(): AgentCommunicationError {
  const detail = `The agent has ${LIVE_TOKENS_MAX} valid tokens, so none is renewed; an admin can revoke those that are not needed.`;
  return new AgentCommunicationError("FORBIDDEN", detail);
}

function notRenewable(): AgentCommunicationError {
  return new AgentCommunicationError("UNAUTHENTICATED", "The token is no longer valid, so it cannot be renewed.");
}

function idsOf(rows: readonly Ending[]): string[] {
  return rows.map((row) => row.credential_id);
}

/** For good, with the unused renewals of a token. Repeating it changes nothing. @throws NOT_FOUND */
export function decideRevocation(credentialId: string, seen: SeenCredentials, { now }: Deciding): CredentialDecision {
  const row = seen.credential(credentialId);
  if (row === undefined) throw new AgentCommunicationError("NOT_FOUND", `There is no credential ${credentialId}.`);
  if (row.revoked_at !== null) return { answer: readStoredCredential(row) };
  const ended = [row, ...seen.unusedRenewals(credentialId)];
  return {
    answer: readStoredCredential({ ...row, revoked_at: now }),
    change: { ended: idsOf(ended) },
    entries: ended.map((one) => endingEntry(one)),
  };
}

const EMPTY = {
  secret_hash: null,
  label: null,
  expires_at: null,
  revoked_at: null,
  last_used_at: null,
  roles: null,
  agent_id_prefix: null,
  max_uses: null,
  uses_left: null,
  subject: null,
  thumbprint: null,
  agent_ids: null,
  enrolled_by: null,
  capabilities: null,
  max_concurrent_tasks: null,
  idle_days: null,
  token_days: null,
  renews: null,
  role: null,
  status: null,
};

function jsonOf(list: readonly string[] | undefined): string | null {
  return list === undefined ? null : JSON.stringify(list);
}

/** The columns of a new credential, but for who it is for and by. */
function newRow(credential: NewCredential, now: number): Omit<StoredCredential, "created_by" | "agent_id"> {
  const { credentialId, kind, expiresInMilliseconds } = credential;
  const row = {
    ...EMPTY,
    credential_no: 0,
    credential_id: credentialId,
    kind,
    secret_hash: credential.secretHash ?? null,
    label: credential.label ?? null,
    created_at: now,
    expires_at: expiresInMilliseconds === undefined ? null : now + expiresInMilliseconds,
    capabilities: jsonOf(credential.capabilities),
    max_concurrent_tasks: credential.maxConcurrentTasks ?? null,
    idle_days: credential.idleDays ?? null,
  };
  switch (credential.kind) {
    case "token":
      return row;
    case "enrolment": {
      const { roles, agentIdPrefix, maxUses, expiresInDays = null } = credential;
      const uses = { max_uses: maxUses, uses_left: maxUses, token_days: expiresInDays };
      return { ...row, roles: jsonOf(roles), agent_id_prefix: agentIdPrefix, ...uses };
    }
    case "principal": {
      const { objectId, agentIds, agentIdPrefix = null } = credential;
      return { ...row, subject: objectId, agent_id_prefix: agentIdPrefix, agent_ids: jsonOf(agentIds) };
    }
    case "certificate":
      return { ...row, thumbprint: credential.thumbprint ?? null, subject: credential.subject ?? null };
  }
}
