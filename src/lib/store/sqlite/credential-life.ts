import { CREDENTIAL_USE_MILLISECONDS, type Credential } from "../../model/credential.ts";
import { PENDING_RENEWALS_MAX } from "../../model/limits.ts";
import { actorOf } from "../../trace/call-context.ts";
import {
  credentialNotFound,
  notRenewable,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import type { TokenRenewal } from "../store.ts";
import { audit } from "./audit.ts";
import { findById } from "./find-credential.ts";
import type { Transaction } from "./transaction.ts";

/**
 * What becomes of a credential after it was issued: it is renewed, revoked and used.
 *
 * A renewal waits for its first use, and only that ends the old one: so a lost answer, or a process that dies
 * before it has kept the new token, leaves the agent with the one that it has.
 */

const INSERT = `INSERT INTO credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
  enrolled_by, capabilities, max_concurrent_tasks, idle_days, renews)
  SELECT ?1, 'token', agent_no, ?2, label, ?3, ?4, ?3 + (expires_at - created_at), enrolled_by, capabilities,
    max_concurrent_tasks, idle_days, credential_id
  FROM credentials WHERE credential_no = ?5`;

/** Unused renewals of a token, after the first ?2 of them, newest first. */
const UNUSED = `SELECT c.credential_no, c.credential_id, c.kind, a.agent_id
  FROM credentials c INDEXED BY credentials_renewals JOIN agents a ON a.agent_no = c.agent_no
  WHERE c.renews = ?1 AND c.last_used_at IS NULL AND c.revoked_at IS NULL ORDER BY c.credential_no DESC LIMIT -1 OFFSET ?2`;

/** @throws UNAUTHENTICATED: the old one is no token, revoked or expired */
export function renewToken(transaction: Transaction, { credentialId, token }: TokenRenewal): Credential {
  const known = findById(transaction, token.credentialId);
  if (known !== undefined) return readStoredCredential(known);
  const old = findById(transaction, credentialId);
  if (old === undefined || old.kind !== "token" || old.revoked_at !== null) throw notRenewable();
  if (old.expires_at !== null && old.expires_at <= transaction.now) throw notRenewable();
  const agentId = old.agent_id ?? "";
  const actor = actorOf(agentId, transaction.call);
  transaction.run(INSERT, token.credentialId, token.secretHash, transaction.now, actor, old.credential_no);
  endUnusedRenewals(transaction, credentialId, PENDING_RENEWALS_MAX);
  audit(transaction, {
    actor,
    action: "credential.renewed",
    subjectKind: "credential",
    subjectId: token.credentialId,
    detail: { agentId, renews: credentialId },
  });
  const made = findById(transaction, token.credentialId);
  if (made === undefined) throw new Error("the renewed token's row was not written");
  return readStoredCredential(made);
}

type EndedCredential = Pick<StoredCredential, "credential_no" | "credential_id" | "kind" | "agent_id">;

/** Revokes one that is not revoked yet. @param renewedBy the renewal whose first use ends it */
function endCredential(transaction: Transaction, row: EndedCredential, renewedBy?: string): void {
  transaction.run("UPDATE credentials SET revoked_at = ? WHERE credential_no = ?", transaction.now, row.credential_no);
  audit(transaction, {
    actor: actorOf(undefined, transaction.call),
    action: "credential.revoked",
    subjectKind: "credential",
    subjectId: row.credential_id,
    detail: {
      kind: row.kind,
      ...(row.agent_id !== null && { agentId: row.agent_id }),
      ...(renewedBy !== undefined && { renewedBy }),
    },
  });
}

/** @param kept so many of the newest live on */
function endUnusedRenewals(transaction: Transaction, credentialId: string, kept = 0): void {
  for (const row of transaction.all<EndedCredential>(UNUSED, credentialId, kept)) endCredential(transaction, row);
}

const FIRST_USE_OF = `SELECT renews FROM credentials
  WHERE credential_id = ? AND renews IS NOT NULL AND last_used_at IS NULL AND revoked_at IS NULL`;

/** Before the use of a token is noted: when it is the first one of a renewal, the token that was renewed ends. */
function endRenewed(transaction: Transaction, credentialId: string): void {
  const renews = transaction.get<{ renews: string }>(FIRST_USE_OF, credentialId)?.renews;
  const old = renews === undefined ? undefined : findById(transaction, renews);
  if (old !== undefined && old.revoked_at === null) endCredential(transaction, old, credentialId);
}

/** For good, with the unused renewals of a token. Repeating it changes nothing. @throws NOT_FOUND */
export function revokeCredential(transaction: Transaction, credentialId: string): Credential {
  const row = findById(transaction, credentialId);
  if (row === undefined) throw credentialNotFound(credentialId);
  if (row.revoked_at !== null) return readStoredCredential(row);
  endCredential(transaction, row);
  endUnusedRenewals(transaction, credentialId);
  return readStoredCredential({ ...row, revoked_at: transaction.now });
}

const USE = `UPDATE credentials SET last_used_at = ?1
  WHERE credential_id = ?2 AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at <= ?3)`;
const LIVE = "SELECT 1 FROM credentials WHERE credential_id = ? AND revoked_at IS NULL";

/** Each at most once in CREDENTIAL_USE_MILLISECONDS. @returns which of them are there and not revoked */
export function recordCredentialUse(transaction: Transaction, credentialIds: readonly string[]): string[] {
  const { now } = transaction;
  for (const credentialId of credentialIds) {
    endRenewed(transaction, credentialId);
    transaction.run(USE, now, credentialId, now - CREDENTIAL_USE_MILLISECONDS);
  }
  return credentialIds.filter((credentialId) => transaction.get(LIVE, credentialId) !== undefined);
}
