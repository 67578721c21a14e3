import { CREDENTIAL_COLUMNS, readFoundCredential, type StoredCredential } from "../credential-reading.ts";
import type { CredentialLookup, FoundCredential } from "../store.ts";
import type { Transaction } from "./transaction.ts";

/** What every request is checked by, at most once in 5 s for each credential. */

const ALL = `SELECT ${CREDENTIAL_COLUMNS} FROM credentials c LEFT JOIN agents a ON a.agent_no = c.agent_no`;
const BY_ID = `${ALL} WHERE c.credential_id = ?`;
const BY_SUBJECT = `${ALL} WHERE c.kind = ? AND c.subject = ? AND c.revoked_at IS NULL`;
const BY_THUMBPRINT = `${ALL} WHERE c.thumbprint = ? AND c.revoked_at IS NULL`;

/** As it is now, revoked and expired ones included; of bindings the one in force. */
export function findCredential(transaction: Transaction, lookup: CredentialLookup): FoundCredential | undefined {
  const row = findRow(transaction, lookup);
  return row === undefined ? undefined : readFoundCredential(row);
}

/** What is bound by its thumbprint comes before what is bound by its subject. */
function findRow(transaction: Transaction, lookup: CredentialLookup): StoredCredential | undefined {
  if ("credentialId" in lookup) return findById(transaction, lookup.credentialId);
  if ("objectId" in lookup) return findBySubject(transaction, "principal", lookup.objectId);
  const { thumbprint, subject } = lookup;
  return findByThumbprint(transaction, thumbprint) ?? findBySubject(transaction, "certificate", subject);
}

export function findById(transaction: Transaction, credentialId: string): StoredCredential | undefined {
  return transaction.get<StoredCredential>(BY_ID, credentialId);
}

/** The binding in force of a principal's object id, or of the subject of a certificate. */
export function findBySubject(
  transaction: Transaction,
  kind: "principal" | "certificate",
  subject: string,
): StoredCredential | undefined {
  return transaction.get<StoredCredential>(BY_SUBJECT, kind, subject);
}

/** The binding in force of a certificate. */
export function findByThumbprint(transaction: Transaction, thumbprint: string): StoredCredential | undefined {
  return transaction.get<StoredCredential>(BY_THUMBPRINT, thumbprint);
}
