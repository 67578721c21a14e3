import type { RegisterAgent } from "../../model/agent.ts";
import { isInForce, readRoles } from "../credential-reading.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import { type RegistrationRefusal, refuseOtherRoles, registrationRefusal } from "../registration-refusals.ts";
import type { EnrolmentAuthority, RegistrationAuthority } from "../store.ts";
import type { AgentRow } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import type { Transaction } from "./transaction.ts";

/** What an authority lets a registration do, decided before anything is written. */

/** What an enrolment writes beside the agent: a token, by a new use of the key, or in place of one that was never used. */
export interface Enrolment {
  authority: EnrolmentAuthority;
  keyNo: number;
  /** The token that is replaced. */
  replaced: number | undefined;
}

interface KeyRow {
  credential_no: number;
  roles: string;
  agent_id_prefix: string;
  uses_left: number;
}

interface TokenRow {
  credential_no: number;
  agent_no: number;
  last_used_at: number | null;
  revoked_at: number | null;
}

const KEY = `SELECT credential_no, roles, agent_id_prefix, uses_left FROM credentials
  WHERE credential_id = ?1 AND kind = 'enrolment' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)`;
const ISSUED = `SELECT credential_no, agent_no, last_used_at, revoked_at FROM credentials
  WHERE enrolled_by = ? AND enrolment_request = ?`;

const LIVE_ADMIN = `SELECT 1 FROM agents a JOIN credentials c ON c.agent_no = a.agent_no
  WHERE a.role = 'admin' AND ${isInForce("?1")} LIMIT 1`;

/**
 * Decides; nothing is written here. @param known the agent, if it is there
 * @returns what writeEnrolment has to write; undefined but for an enrolment
 * @throws AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, UNAUTHENTICATED
 */
export function authoriseRegistration(
  transaction: Transaction,
  input: RegisterAgent,
  known: AgentRow | undefined,
  authority: RegistrationAuthority | undefined,
): Enrolment | undefined {
  refuseOtherRoles(input, authority);
  const refuse = (refusal: RegistrationRefusal) => {
    throw registrationRefusal(refusal, input);
  };
  if (authority === undefined) return undefined;
  if (authority.kind !== "enrolment") {
    if (authority.kind === "own" && known === undefined) refuse("AGENT_NOT_FOUND");
    if (known !== undefined && known.role !== input.role) refuse("ROLE_CHANGE");
    const first = authority.kind === "first_admin" && !authority.again;
    if (first && transaction.get(LIVE_ADMIN, transaction.now) !== undefined) refuse("ADMIN_EXISTS");
    return undefined;
  }
  const key = transaction.get<KeyRow>(KEY, authority.credentialId, transaction.now);
  if (key === undefined) throw registrationRefusal("UNAUTHENTICATED", input);
  const issued = findIssued(transaction, authority);
  const refusal = issued === undefined ? refusalOfNew(key, input, known) : refusalOfRepeat(issued, input, known);
  if (refusal !== undefined) refuse(refusal);
  return { authority, keyNo: key.credential_no, replaced: issued?.credential_no };
}

/** The token that the same key and Idempotency-Key have brought before. */
function findIssued(transaction: Transaction, authority: EnrolmentAuthority): TokenRow | undefined {
  if (authority.idempotencyKey === undefined) return undefined;
  return transaction.get<TokenRow>(ISSUED, authority.credentialId, authority.idempotencyKey);
}

function refusalOfNew(
  key: KeyRow,
  { agentId, role }: RegisterAgent,
  known: AgentRow | undefined,
): RegistrationRefusal | undefined {
  if (key.uses_left === 0) return "UNAUTHENTICATED";
  if (!readRoles(key.roles).includes(role)) return "ROLE_NOT_GIVEN";
  if (!agentId.startsWith(key.agent_id_prefix)) return "PREFIX_NOT_GIVEN";
  return known === undefined ? undefined : "ID_TAKEN";
}

function refusalOfRepeat(
  issued: TokenRow,
  { role }: RegisterAgent,
  known: AgentRow | undefined,
): RegistrationRefusal | undefined {
  if (issued.agent_no !== known?.agent_no || known.role !== role) return "IDEMPOTENCY_MISMATCH";
  const untouched = issued.last_used_at === null && issued.revoked_at === null;
  return untouched && known.status !== "deregistered" ? undefined : "ID_TAKEN";
}

const REPLACE = `UPDATE credentials SET credential_id = ?1, secret_hash = ?2, created_at = ?3, created_by = ?4,
    expires_at = ?3 + (SELECT token_days * ${DAY_MILLISECONDS} FROM credentials WHERE credential_no = ?6)
  WHERE credential_no = ?5`;
const TAKE_USE = "UPDATE credentials SET uses_left = uses_left - 1, last_used_at = ? WHERE credential_no = ?";
/** What the token may register, and how it ends, the key says. */
const INSERT = `INSERT INTO credentials (credential_id, kind, agent_no, secret_hash, created_at, created_by, enrolled_by,
  enrolment_request, expires_at, capabilities, max_concurrent_tasks, idle_days)
  SELECT ?1, 'token', ?2, ?3, ?4, ?5, ?6, ?7, ?4 + token_days * ${DAY_MILLISECONDS}, capabilities, max_concurrent_tasks, idle_days
  FROM credentials WHERE credential_no = ?8`;

/** Writes the token. The first one of a registration takes a use of the key; one that is replaced is gone with its hash. */
export function writeEnrolment(
  transaction: Transaction,
  agent: Pick<AgentRow, "agent_no" | "agent_id">,
  { authority, keyNo, replaced }: Enrolment,
  actor: string,
): void {
  const { token, credentialId, idempotencyKey = null } = authority;
  const { now } = transaction;
  if (replaced !== undefined) {
    transaction.run(REPLACE, token.credentialId, token.secretHash, now, actor, replaced, keyNo);
  } else {
    transaction.run(TAKE_USE, now, keyNo);
    const row = [token.credentialId, agent.agent_no, token.secretHash, now, actor, credentialId, idempotencyKey];
    transaction.run(INSERT, ...row, keyNo);
  }
  audit(transaction, {
    actor,
    action: "credential.used_enrolment",
    subjectKind: "credential",
    subjectId: credentialId,
    detail: { agentId: agent.agent_id, tokenId: token.credentialId, replaces: replaced !== undefined },
  });
}
