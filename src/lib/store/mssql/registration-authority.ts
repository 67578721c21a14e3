import type { RegisterAgent } from "../../agents/agent.ts";
import type { JsonValue } from "../../json.ts";
import { actorOf } from "../../security/call-context.ts";
import { isInForce } from "../credential-reading.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import { refuseOtherRoles } from "../registration-refusals.ts";
import type { RegistrationAuthority } from "../store.ts";
import { detailOf, recordRows } from "./audit.ts";
import { itemText, plainText } from "./item-text.ts";
import { BIN2, BY_KEY, HASH, ID, LOSE_RACE, READ_TIME, raceUnless, WORD } from "./transaction.ts";

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

/**
 * Registrations with an authority, the agent and the enrolment key that they find, and the token that came with the same key
 * and Idempotency-Key before. `done`: by an earlier try of this very call. `takes`: a use of the key, for a new token.
 */
export const DECLARE_AUTHORITIES = `DECLARE @authorities TABLE (item int NOT NULL PRIMARY KEY, kind ${WORD} NOT NULL, agent_id ${ID} NOT NULL,
  role ${WORD} NOT NULL, agent_no int NULL, was_role ${WORD} NULL, was_status ${WORD} NULL, key_id ${ID} NULL, token_id ${ID} NULL,
  secret_hash ${HASH} NULL, request ${HASH} NULL, key_no int NULL, uses_left int NULL, token_days int NULL,
  gives_role bit NOT NULL DEFAULT 0, gives_id bit NOT NULL DEFAULT 0, replaced_no int NULL, replaced_id ${ID} NULL,
  replaced_agent_no int NULL, untouched bit NOT NULL DEFAULT 0, done bit NOT NULL DEFAULT 0, takes bit NOT NULL DEFAULT 0,
  label nvarchar(128) NULL, expires_in bigint NULL, again bit NULL, issuer ${ID} NULL,
  refusal ${WORD} NULL);
`;

/** That an admin has a valid credential. */
const LIVE_ADMIN = `EXISTS (SELECT 1 FROM dbo.agents AS a JOIN dbo.credentials AS c ON c.agent_no = a.agent_no AND c.agent_no IS NOT NULL
    WHERE a.role = 'admin' AND ${isInForce("@now")})`;

const READ_AUTHORITIES = `INSERT INTO @authorities (item, kind, agent_id, role, agent_no, was_role, was_status, key_id, token_id, secret_hash,
  request, label, expires_in, again, issuer)
SELECT j.item, j.kind, j.agent_id, j.role, a.agent_no, a.role, a.status, j.key_id, j.token_id, j.secret_hash, j.request,
  ${plainText("j.label")}, j.expires_in, j.again, j.issuer
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', role varchar(24) '$.role', kind varchar(24) '$.authority.kind',
  key_id varchar(36) '$.authority.keyId', token_id varchar(36) '$.authority.tokenId', secret_hash varchar(43) '$.authority.secretHash',
  request varchar(64) '$.authority.request', label nvarchar(128) '$.authority.label', expires_in bigint '$.authority.expiresIn',
  again bit '$.authority.again', issuer varchar(128) '$.authority.issuer') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2}
WHERE j.kind IS NOT NULL;
UPDATE x SET key_no = k.credential_no, uses_left = k.uses_left, token_days = k.token_days,
  gives_role = CASE WHEN EXISTS (SELECT 1 FROM OPENJSON(k.roles) AS r WHERE CAST(r.value AS varchar(24)) ${BIN2} = x.role) THEN 1 ELSE 0 END,
  gives_id = CASE WHEN LEFT(x.agent_id, LEN(k.agent_id_prefix)) = k.agent_id_prefix THEN 1 ELSE 0 END
FROM @authorities AS x JOIN dbo.credentials AS k ON k.credential_id = x.key_id
WHERE k.kind = 'enrolment' AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now);
UPDATE x SET replaced_no = t.credential_no, replaced_id = t.credential_id, replaced_agent_no = t.agent_no,
  untouched = CASE WHEN t.last_used_at IS NULL AND t.revoked_at IS NULL THEN 1 ELSE 0 END
FROM @authorities AS x JOIN dbo.credentials AS t ON t.enrolled_by = x.key_id AND t.enrolment_request = x.request
WHERE t.enrolment_request IS NOT NULL;
UPDATE x SET done = 1 FROM @authorities AS x JOIN dbo.credentials AS t ON t.credential_id = x.token_id;
`;

/** In the order of refusalOfNew and refusalOfRepeat; what the key has left is shared out in the order of the items. */
const DECIDE = `UPDATE x SET refusal = CASE
  WHEN x.done = 1 THEN NULL
  WHEN x.kind <> 'enrolment' THEN CASE WHEN x.kind = 'own' AND x.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
    WHEN x.was_role <> x.role THEN 'ROLE_CHANGE'
    WHEN x.kind = 'first_admin' AND x.again = 0 AND (${LIVE_ADMIN} OR EXISTS (
      SELECT 1 FROM @authorities AS y WHERE y.kind = 'first_admin' AND y.item < x.item)) THEN 'ADMIN_EXISTS' END
  WHEN x.key_no IS NULL THEN 'UNAUTHENTICATED'
  WHEN x.replaced_no IS NOT NULL THEN CASE
    WHEN x.agent_no IS NULL OR x.replaced_agent_no <> x.agent_no OR x.was_role <> x.role THEN 'IDEMPOTENCY_MISMATCH'
    WHEN x.untouched = 0 OR x.was_status = 'deregistered' THEN 'ID_TAKEN' END
  WHEN x.uses_left = 0 THEN 'UNAUTHENTICATED'
  WHEN x.gives_role = 0 THEN 'ROLE_NOT_GIVEN'
  WHEN x.gives_id = 0 THEN 'PREFIX_NOT_GIVEN'
  WHEN x.agent_no IS NOT NULL THEN 'ID_TAKEN' END
FROM @authorities AS x;
UPDATE x SET takes = 1 FROM @authorities AS x
WHERE x.kind = 'enrolment' AND x.refusal IS NULL AND x.done = 0 AND x.replaced_no IS NULL;
UPDATE x SET takes = 0, refusal = 'UNAUTHENTICATED'
FROM (SELECT y.item, ROW_NUMBER() OVER (PARTITION BY y.key_no ORDER BY y.item) AS place FROM @authorities AS y WHERE y.takes = 1) AS p
JOIN @authorities AS x ON x.item = p.item WHERE p.place > x.uses_left;
`;

/**
 * Takes out of @registering what is refused; the refusal stays in @authorities. Before anything is written, capability sets
 * included.
 */
export const AUTHORISE = `${READ_AUTHORITIES}${DECIDE}DELETE r FROM @registering AS r JOIN @authorities AS x ON x.item = r.item
WHERE x.refusal IS NOT NULL;
`;

/** Loses the race when the agents are not those that AUTHORISE saw. After @registering has found its agents. */
export const CHECK_AUTHORISED = `IF EXISTS (SELECT 1 FROM @registering AS r JOIN @authorities AS x ON x.item = r.item
  LEFT JOIN @status_changes AS s ON s.agent_no = r.agent_no
  WHERE COALESCE(x.agent_no, 0) <> COALESCE(r.agent_no, 0) OR s.was_role <> x.was_role OR s.was_status <> x.was_status)
${LOSE_RACE}`;

/**
 * First thing inside the transaction: one maker of a first admin at a time, to the end of its transaction, and who comes second loses
 * the race and is refused when it reads again.
 */
export const LOCK_FIRST_ADMIN = `IF EXISTS (SELECT 1 FROM @authorities AS x WHERE x.kind = 'first_admin' AND x.refusal IS NULL AND x.done = 0)
BEGIN
  DECLARE @firstAdminLock int;
  EXEC @firstAdminLock = sp_getapplock @Resource = N'first admin', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000;
  IF @firstAdminLock < 0
${LOSE_RACE}  ${READ_TIME}  IF ${LIVE_ADMIN} AND EXISTS (SELECT 1 FROM @authorities AS x
    WHERE x.kind = 'first_admin' AND x.refusal IS NULL AND x.done = 0 AND x.again = 0)
${LOSE_RACE}END;
`;

/** The tokens of first admins. */
const WRITE_FIRST_TOKENS = `INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at)
SELECT x.token_id, 'token', r.agent_no, x.secret_hash, x.label, @now, x.issuer, @now + x.expires_in
FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
WHERE x.kind = 'first_admin' AND x.done = 0 AND x.refusal IS NULL ORDER BY x.item;
${recordRows({
  actor: "x.issuer",
  action: "'credential.issued'",
  subjectKind: "'credential'",
  subjectId: "x.token_id",
  detail: detailOf({ kind: { word: "'token'" }, agentId: { word: "r.agent_id" } }),
  from: `FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
WHERE x.kind = 'first_admin' AND x.done = 0 AND x.refusal IS NULL ORDER BY x.item`,
})}`;

/**
 * Inside the transaction, after the rows of the agents: the uses of the keys, then tokens that are replaced, then new
 * ones: what they may register, and how they end, the key says.
 */
export const WRITE_ENROLMENTS = `${READ_TIME}UPDATE k SET uses_left = k.uses_left - u.uses, last_used_at = @now
FROM (SELECT x.key_no, COUNT(*) AS uses FROM @authorities AS x WHERE x.takes = 1 GROUP BY x.key_no) AS u
JOIN dbo.credentials AS k ON k.credential_no = u.key_no
WHERE k.uses_left >= u.uses AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @now)
${BY_KEY};
${raceUnless("(SELECT COUNT(DISTINCT x.key_no) FROM @authorities AS x WHERE x.takes = 1)")}
UPDATE t SET credential_id = x.token_id, secret_hash = x.secret_hash, created_at = @now, created_by = r.actor,
  expires_at = @now + x.token_days * CAST(${DAY_MILLISECONDS} AS bigint)
FROM @authorities AS x JOIN @registering AS r ON r.item = x.item JOIN dbo.credentials AS t ON t.credential_no = x.replaced_no
WHERE x.done = 0 AND x.refusal IS NULL AND t.credential_id = x.replaced_id AND t.last_used_at IS NULL AND t.revoked_at IS NULL
${BY_KEY};
${raceUnless("(SELECT COUNT(*) FROM @authorities AS x WHERE x.done = 0 AND x.refusal IS NULL AND x.replaced_no IS NOT NULL)")}
INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, created_at, created_by, enrolled_by, enrolment_request,
  expires_at, capabilities, max_concurrent_tasks, idle_days)
SELECT x.token_id, 'token', r.agent_no, x.secret_hash, @now, r.actor, x.key_id, x.request,
  @now + x.token_days * CAST(${DAY_MILLISECONDS} AS bigint), k.capabilities, k.max_concurrent_tasks, k.idle_days
FROM @authorities AS x JOIN @registering AS r ON r.item = x.item JOIN dbo.credentials AS k ON k.credential_no = x.key_no
WHERE x.takes = 1 ORDER BY x.item;
${recordRows({
  actor: "r.actor",
  action: "'credential.used_enrolment'",
  subjectKind: "'credential'",
  subjectId: "x.key_id",
  detail: detailOf({
    agentId: { word: "r.agent_id" },
    tokenId: { word: "x.token_id" },
    replaces: { flag: "CASE WHEN x.takes = 1 THEN 0 ELSE 1 END" },
  }),
  from: `FROM @authorities AS x JOIN @registering AS r ON r.item = x.item
WHERE x.kind = 'enrolment' AND x.done = 0 ORDER BY x.item`,
})}${WRITE_FIRST_TOKENS}`;
