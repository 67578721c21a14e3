import { actorOf } from "../../security/call-context.ts";
import { CREDENTIAL_USE_MILLISECONDS, type Credential, type ListCredentialsQuery } from "../../security/credential.ts";
import {
  alreadyBound,
  CREDENTIAL_COLUMNS,
  credentialColumns,
  credentialNotFound,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import type { NewCredential, Page, Paged } from "../store.ts";
import { findAgent, requireAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { findById, findBySubject, findByThumbprint } from "./find-credential.ts";
import type { Transaction } from "./transaction.ts";

/** What admins issue, list and revoke, and what is noted of its use. */

const ALL = `SELECT ${CREDENTIAL_COLUMNS} FROM credentials c LEFT JOIN agents a ON a.agent_no = c.agent_no`;

const INSERT = `INSERT INTO credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
  roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?11, ?11, ?, ?, ?)`;

/** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
export function issueCredential(transaction: Transaction, credential: NewCredential): Credential {
  const known = findById(transaction, credential.credentialId);
  if (known !== undefined) return readStoredCredential(known);
  const columns = credentialColumns(credential);
  const agent = columns.agentId === null ? undefined : requireAgent(transaction, columns.agentId);
  const actor = actorOf(undefined, transaction.call);
  if (isBound(transaction, credential)) throw alreadyBound(credential);
  transaction.run(
    INSERT,
    credential.credentialId,
    credential.kind,
    agent?.agent_no ?? null,
    columns.secretHash,
    columns.label,
    transaction.now,
    actor,
    columns.expiresInMilliseconds === null ? null : transaction.now + columns.expiresInMilliseconds,
    columns.roles,
    columns.agentIdPrefix,
    columns.maxUses,
    columns.subject,
    columns.thumbprint,
    columns.agentIds,
  );
  audit(transaction, {
    actor,
    action: "credential.issued",
    subjectKind: "credential",
    subjectId: credential.credentialId,
    detail: { kind: credential.kind, ...(agent !== undefined && { agentId: agent.agent_id }) },
  });
  return readStoredCredential(requireRow(transaction, credential.credentialId));
}

function isBound(transaction: Transaction, credential: NewCredential): boolean {
  const { kind } = credential;
  if (kind === "principal") return findBySubject(transaction, kind, credential.objectId) !== undefined;
  if (kind !== "certificate") return false;
  const { thumbprint, subject = "" } = credential;
  if (thumbprint !== undefined) return findByThumbprint(transaction, thumbprint) !== undefined;
  return findBySubject(transaction, kind, subject) !== undefined;
}

/** @throws NOT_FOUND */
function requireRow(transaction: Transaction, credentialId: string): StoredCredential {
  const row = findById(transaction, credentialId);
  if (row === undefined) throw credentialNotFound(credentialId);
  return row;
}

/** Newest first. Each filter has an index in the order of the list; with both, the kind is checked on the agent's rows. */
export function listCredentials(
  transaction: Transaction,
  query: Page & Pick<ListCredentialsQuery, "agentId" | "kind">,
): Paged<Credential> {
  const { agentId, kind, limit } = query;
  const filters = { list: "credentials", agentId, kind };
  const before = Number(decodeCursor(filters, query.cursor)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const where = ["c.credential_no < ?"];
  const parameters: (string | number)[] = [before];
  if (agentId !== undefined)
    where.push("c.agent_no = ?") && parameters.push(findAgent(transaction, agentId)?.agent_no ?? 0);
  if (kind !== undefined) where.push(agentId === undefined ? "c.kind = ?" : "+c.kind = ?") && parameters.push(kind);
  const sql = `${ALL} WHERE ${where.join(" AND ")} ORDER BY c.credential_no DESC LIMIT ?`;
  const rows = transaction.all<StoredCredential>(sql, ...parameters, limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(readStoredCredential),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(filters, [last.credential_no]) : null,
  };
}

/** For good. Repeating it changes nothing. @throws NOT_FOUND */
export function revokeCredential(transaction: Transaction, credentialId: string): Credential {
  const row = requireRow(transaction, credentialId);
  if (row.revoked_at !== null) return readStoredCredential(row);
  transaction.run("UPDATE credentials SET revoked_at = ? WHERE credential_no = ?", transaction.now, row.credential_no);
  audit(transaction, {
    action: "credential.revoked",
    subjectKind: "credential",
    subjectId: credentialId,
    detail: { kind: row.kind, ...(row.agent_id !== null && { agentId: row.agent_id }) },
  });
  return readStoredCredential({ ...row, revoked_at: transaction.now });
}

const USE = `UPDATE credentials SET last_used_at = ?1
  WHERE credential_id = ?2 AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at <= ?3)`;
const LIVE = "SELECT 1 FROM credentials WHERE credential_id = ? AND revoked_at IS NULL";

/** Each at most once in CREDENTIAL_USE_MILLISECONDS. @returns which of them are there and not revoked */
export function recordCredentialUse(transaction: Transaction, credentialIds: readonly string[]): string[] {
  const { now } = transaction;
  for (const credentialId of credentialIds) transaction.run(USE, now, credentialId, now - CREDENTIAL_USE_MILLISECONDS);
  return credentialIds.filter((credentialId) => transaction.get(LIVE, credentialId) !== undefined);
}
