import { CREDENTIAL_USE_MILLISECONDS, type Credential } from "../../model/credential.ts";
import { LIVE_TOKENS_MAX, PENDING_RENEWALS_MAX } from "../../model/limits.ts";
import { CREDENTIAL_COLUMNS, type StoredCredential } from "../credential-reading.ts";
import { askToIssue, type Binding, type CredentialAsk, type CredentialEngine } from "../credential-verbs.ts";
import {
  type CredentialChange,
  type CredentialRow,
  decideIssue,
  endingEntry,
  type SeenCredentials,
} from "../rules/credentials.ts";
import type { CredentialLookup, NewCredential } from "../store.ts";
import { findAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import type { Connection } from "./connection.ts";
import { decideBy, decideWithin } from "./decide.ts";
import type { Transaction } from "./transaction.ts";

/** Credentials: rows that are read, and rows that rules/credentials.ts wants written. */

const FROM = "FROM credentials c LEFT JOIN agents a ON a.agent_no = c.agent_no";
const BY_ID = `SELECT c.agent_no, ${CREDENTIAL_COLUMNS} ${FROM} WHERE c.credential_id = ?`;
const BY_SUBJECT = `SELECT ${CREDENTIAL_COLUMNS} ${FROM} WHERE c.kind = ? AND c.subject = ? AND c.revoked_at IS NULL`;
const BY_THUMBPRINT = `SELECT ${CREDENTIAL_COLUMNS} ${FROM} WHERE c.thumbprint = ? AND c.revoked_at IS NULL`;

const LIST = `SELECT ${CREDENTIAL_COLUMNS} ${FROM} WHERE c.credential_no < ?`;
const NEWEST_FIRST = "ORDER BY c.credential_no DESC LIMIT ?";
/** Each filter has an index in the order of the list; with both, the kind is checked on the agent's rows. */
const LIST_ALL = `${LIST} ${NEWEST_FIRST}`;
const LIST_KIND = `${LIST} AND c.kind = ? ${NEWEST_FIRST}`;
const LIST_AGENT = `${LIST} AND c.agent_no = ? AND (?3 IS NULL OR +c.kind = ?3) ${NEWEST_FIRST}`;

const CREDENTIALS = { see: seeCredentials, write: writeCredentials };

/** What the verbs of credentials read and write. */
export function credentialEngine(connection: Connection): CredentialEngine {
  return {
    decide: decideBy(connection, CREDENTIALS),
    find: (lookup) => connection.read((tx) => findRow(tx, lookup)),
    list: ({ before, rows }, { agentId, kind }) =>
      connection.read((tx) => {
        if (agentId !== undefined) {
          const agentNo = findAgent(tx, agentId)?.agent_no ?? 0;
          return tx.all<StoredCredential>(LIST_AGENT, before, agentNo, kind ?? null, rows);
        }
        if (kind !== undefined) return tx.all<StoredCredential>(LIST_KIND, before, kind, rows);
        return tx.all<StoredCredential>(LIST_ALL, before, rows);
      }),
    recordUse: (credentialIds) => connection.write((tx) => recordUse(tx, credentialIds)),
  };
}

/** As a part of another transition. @throws AGENT_NOT_FOUND */
export function issueWithin(transaction: Transaction, credential: NewCredential): Credential {
  return decideWithin(transaction, CREDENTIALS, askToIssue(credential), (seen, deciding) =>
    decideIssue(credential, seen, deciding),
  );
}

/** What is bound by its thumbprint comes before what is bound by its subject. */
function findRow(transaction: Transaction, lookup: CredentialLookup): StoredCredential | undefined {
  if ("credentialId" in lookup) return findById(transaction, lookup.credentialId);
  if ("objectId" in lookup) return findBound(transaction, { kind: "principal", subject: lookup.objectId });
  const { thumbprint, subject } = lookup;
  return findBound(transaction, { thumbprint }) ?? findBound(transaction, { kind: "certificate", subject });
}

function findById(transaction: Transaction, credentialId: string): CredentialRow | undefined {
  return transaction.get<CredentialRow>(BY_ID, credentialId);
}

/** The binding in force. */
function findBound(transaction: Transaction, binding: Binding): StoredCredential | undefined {
  if ("thumbprint" in binding) return transaction.get<StoredCredential>(BY_THUMBPRINT, binding.thumbprint);
  return transaction.get<StoredCredential>(BY_SUBJECT, binding.kind, binding.subject);
}

const UNUSED = `SELECT c.credential_id, c.kind, a.agent_id
  FROM credentials c INDEXED BY credentials_renewals JOIN agents a ON a.agent_no = c.agent_no
  WHERE c.renews = ? AND c.last_used_at IS NULL AND c.revoked_at IS NULL ORDER BY c.credential_no DESC`;

/** A few more than the limit: renewals that this one ends are subtracted. */
const LIVE_TOKENS = `SELECT count(*) AS count FROM (SELECT 1 FROM credentials c INDEXED BY credentials_live_tokens
  WHERE c.agent_no = (SELECT t.agent_no FROM credentials t WHERE t.credential_id = ?1)
    AND c.kind = 'token' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > ?2)
  LIMIT ${LIVE_TOKENS_MAX + PENDING_RENEWALS_MAX})`;

function seeCredentials(transaction: Transaction, { agentId, bound }: CredentialAsk): SeenCredentials {
  return {
    credential: (credentialId) => findById(transaction, credentialId),
    unusedRenewals: (credentialId) => transaction.all(UNUSED, credentialId),
    liveTokens: (credentialId) =>
      transaction.get<{ count: number }>(LIVE_TOKENS, credentialId, transaction.now)?.count ?? 0,
    agentNo: agentId === undefined ? undefined : findAgent(transaction, agentId)?.agent_no,
    isBound: bound !== undefined && findBound(transaction, bound) !== undefined,
  };
}

const INSERT = `INSERT INTO credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
  roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, enrolled_by, capabilities, max_concurrent_tasks,
  idle_days, token_days, renews) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const END = "UPDATE credentials SET revoked_at = ? WHERE credential_id = ?";

function writeCredentials(transaction: Transaction, { issued, ended }: CredentialChange): void {
  for (const credentialId of ended) transaction.run(END, transaction.now, credentialId);
  if (issued === undefined) return;
  const { credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at, ...row } = issued;
  const first = [credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at];
  const { roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, enrolled_by, ...rest } = row;
  const second = [roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, enrolled_by];
  const { capabilities, max_concurrent_tasks, idle_days, token_days, renews } = rest;
  const third = [capabilities, max_concurrent_tasks, idle_days, token_days, renews];
  transaction.run(INSERT, ...first, ...second, ...third);
}

const FIRST_USE_OF = `SELECT old.credential_id, old.kind, a.agent_id
  FROM credentials c JOIN credentials old ON old.credential_id = c.renews JOIN agents a ON a.agent_no = old.agent_no
  WHERE c.credential_id = ? AND c.last_used_at IS NULL AND c.revoked_at IS NULL AND old.revoked_at IS NULL`;
const USE = `UPDATE credentials SET last_used_at = ?1
  WHERE credential_id = ?2 AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at <= ?3)`;
const LIVE = "SELECT 1 FROM credentials WHERE credential_id = ? AND revoked_at IS NULL";

/**
 * Each at most once in CREDENTIAL_USE_MILLISECONDS; the first use of a renewal ends the token that was renewed.
 *
 * @returns which of them are there and not revoked
 */
function recordUse(transaction: Transaction, credentialIds: readonly string[]): string[] {
  const { now } = transaction;
  for (const credentialId of credentialIds) {
    const renewed = transaction.get<Parameters<typeof endingEntry>[0]>(FIRST_USE_OF, credentialId);
    if (renewed !== undefined) {
      transaction.run(END, now, renewed.credential_id);
      audit(transaction, endingEntry(renewed, credentialId));
    }
    transaction.run(USE, now, credentialId, now - CREDENTIAL_USE_MILLISECONDS);
  }
  return credentialIds.filter((credentialId) => transaction.get(LIVE, credentialId) !== undefined);
}
