import type { Credential, ListCredentialsQuery } from "../../model/credential.ts";
import { actorOf } from "../../trace/call-context.ts";
import {
  alreadyBound,
  CREDENTIAL_COLUMNS,
  credentialColumns,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { NewCredential, Page, Paged } from "../store.ts";
import { findAgent, requireAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { findById, findBySubject, findByThumbprint } from "./find-credential.ts";
import type { Transaction } from "./transaction.ts";

/** What admins issue and list. */

const ALL = `SELECT ${CREDENTIAL_COLUMNS} FROM credentials c LEFT JOIN agents a ON a.agent_no = c.agent_no`;

const INSERT = `INSERT INTO credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
  roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, capabilities, max_concurrent_tasks, idle_days,
  token_days) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?11, ?11, ?, ?, ?, ?, ?, ?, ?)`;

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
    columns.capabilities,
    columns.maxConcurrentTasks,
    columns.idleDays,
    columns.tokenDays,
  );
  audit(transaction, {
    actor,
    action: "credential.issued",
    subjectKind: "credential",
    subjectId: credential.credentialId,
    detail: { kind: credential.kind, ...(agent !== undefined && { agentId: agent.agent_id }) },
  });
  const made = findById(transaction, credential.credentialId);
  if (made === undefined) throw new Error("the new credential's row was not written");
  return readStoredCredential(made);
}

function isBound(transaction: Transaction, credential: NewCredential): boolean {
  const { kind } = credential;
  if (kind === "principal") return findBySubject(transaction, kind, credential.objectId) !== undefined;
  if (kind !== "certificate") return false;
  const { thumbprint, subject = "" } = credential;
  if (thumbprint !== undefined) return findByThumbprint(transaction, thumbprint) !== undefined;
  return findBySubject(transaction, kind, subject) !== undefined;
}

/** Newest first. Each filter has an index in the order of the list; with both, the kind is checked on the agent's rows. */
export function listCredentials(
  transaction: Transaction,
  query: Page & Pick<ListCredentialsQuery, "agentId" | "kind">,
): Paged<Credential> {
  const { agentId, kind, limit } = query;
  const filters = { list: "credentials", agentId, kind };
  const before = Number(decodeCursor(filters, query.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const where = ["c.credential_no < ?"];
  const parameters: (string | number)[] = [before];
  if (agentId !== undefined)
    where.push("c.agent_no = ?") && parameters.push(findAgent(transaction, agentId)?.agent_no ?? 0);
  if (kind !== undefined) where.push(agentId === undefined ? "c.kind = ?" : "+c.kind = ?") && parameters.push(kind);
  const sql = `${ALL} WHERE ${where.join(" AND ")} ORDER BY c.credential_no DESC LIMIT ?`;
  const rows = transaction.all<StoredCredential>(sql, ...parameters, limit + 1);
  return takePage(rows, limit, readStoredCredential, (last) => encodeCursor(filters, [last.credential_no]));
}
