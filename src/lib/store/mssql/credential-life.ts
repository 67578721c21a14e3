import type { AgentCommunicationError } from "../../errors.ts";
import { PENDING_RENEWALS_MAX } from "../../limits.ts";
import { actorOf, SYSTEM_ACTOR } from "../../security/call-context.ts";
import { CREDENTIAL_USE_MILLISECONDS, type Credential } from "../../security/credential.ts";
import {
  credentialNotFound,
  notRenewable,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import type { TokenRenewal } from "../store.ts";
import { type DetailValue, detailOf, recordRows } from "./audit.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { selectCredentials } from "./find-credential.ts";
import { sqlText } from "./texts.ts";
import { BIN2, BY_KEY, HASH, ID, PROLOGUE, raceUnless, WORD } from "./transaction.ts";

/**
 * What becomes of a credential after it was issued: it is renewed, revoked and used.
 *
 * A renewal waits for its first use, and only that ends the old one: so a lost answer, or a process that dies before it has kept
 * the new token, leaves the agent with the one that it has.
 */

/** The credential of each item, or the refusal of one that has none. */
export function decodeCredentials<Item>(
  result: BatchResult,
  items: readonly Item[],
  refuse: (item: Item, code: string | null) => AgentCommunicationError,
): Outcome<Credential>[] {
  const rows = result.byItem<StoredCredential & { item: number }>(1);
  const outcomes = outcomeRows<OutcomeRow>(result, items);
  return items.map((one, item) => {
    const row = rows.get(item)?.[0];
    return row === undefined
      ? { refusal: refuse(one, outcomes[item]?.code ?? null) }
      : { value: readStoredCredential(row) };
  });
}

/** Of rows `c` with actor, credential_id, kind and agent_id. */
export function recordCredentials(
  deed: "issued" | "revoked",
  from: string,
  more: { readonly [name: string]: DetailValue } = {},
): string {
  return recordRows({
    actor: "c.actor",
    action: `'credential.${deed}'`,
    subjectKind: "'credential'",
    subjectId: "c.credential_id",
    detail: detailOf({ kind: { word: "c.kind" }, agentId: { word: "c.agent_id", optional: true }, ...more }),
    from,
  });
}

/** Credentials that end in this batch. `renewed_by`: the renewal whose first use ends it. */
const DECLARE_ENDING = `DECLARE @ending TABLE (credential_id ${ID} NOT NULL PRIMARY KEY, actor ${ID} NULL, kind ${WORD} NOT NULL,
  agent_id ${ID} NULL, renewed_by ${ID} NULL);
`;

/** Who ends one of them meanwhile makes this batch lose the race. */
const END = `UPDATE c SET revoked_at = @now
FROM @ending AS e JOIN dbo.credentials AS c ON c.credential_id = e.credential_id WHERE c.revoked_at IS NULL
${BY_KEY};
${raceUnless("(SELECT COUNT(*) FROM @ending AS e)")}${recordCredentials(
  "revoked",
  "FROM @ending AS c ORDER BY c.credential_id",
  {
    renewedBy: { word: "c.renewed_by", optional: true },
  },
)}`;

/**
 * The old token is read with what the new one gets, and of the renewals that nobody has used yet all but the newest: with the one
 * that is made here PENDING_RENEWALS_MAX live.
 */
const RENEW_SQL = sqlText(
  "renew-tokens",
  `${PROLOGUE}${DECLARE_ENDING}DECLARE @renewing TABLE (item int NOT NULL PRIMARY KEY, credential_id ${ID} NOT NULL, old_id ${ID} NOT NULL,
  secret_hash ${HASH} NOT NULL, actor ${ID} NOT NULL, old_no int NULL, agent_id ${ID} NULL, is_there bit NOT NULL);
INSERT INTO @renewing (item, credential_id, old_id, secret_hash, actor, old_no, agent_id, is_there)
SELECT j.item, j.credential_id, j.old_id, j.secret_hash, COALESCE(j.actor ${BIN2}, a.agent_id, 'system'), c.credential_no, a.agent_id,
  CASE WHEN t.credential_no IS NULL THEN 0 ELSE 1 END
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', old_id varchar(36) '$.oldId',
  secret_hash varchar(43) '$.secretHash', actor varchar(128)) AS j
LEFT JOIN dbo.credentials AS c ON c.credential_id = j.old_id ${BIN2} AND c.kind = 'token' AND c.revoked_at IS NULL
  AND (c.expires_at IS NULL OR c.expires_at > @now)
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no
LEFT JOIN dbo.credentials AS t ON t.credential_id = j.credential_id ${BIN2};
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT p.credential_id, p.actor, p.kind, p.agent_id
FROM (SELECT c.credential_id, r.actor, c.kind, r.agent_id,
    ROW_NUMBER() OVER (PARTITION BY c.renews ORDER BY c.credential_no DESC) AS place
  FROM @renewing AS r JOIN dbo.credentials AS c ON c.renews = r.old_id
  WHERE r.old_no IS NOT NULL AND r.is_there = 0 AND c.renews IS NOT NULL AND c.last_used_at IS NULL AND c.revoked_at IS NULL) AS p
WHERE p.place >= ${PENDING_RENEWALS_MAX};
IF EXISTS (SELECT 1 FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0)
BEGIN
  BEGIN TRANSACTION;
  ${END}INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
  enrolled_by, capabilities, max_concurrent_tasks, idle_days, renews)
SELECT r.credential_id, 'token', c.agent_no, r.secret_hash, c.label, @now, r.actor, @now + (c.expires_at - c.created_at),
  c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.credential_id
FROM @renewing AS r JOIN dbo.credentials AS c ON c.credential_no = r.old_no
WHERE r.is_there = 0 AND c.revoked_at IS NULL ORDER BY r.item;
  ${raceUnless("(SELECT COUNT(*) FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0)")}${recordRows({
    actor: "r.actor",
    action: "'credential.renewed'",
    subjectKind: "'credential'",
    subjectId: "r.credential_id",
    detail: detailOf({ agentId: { word: "r.agent_id" }, renews: { word: "r.old_id" } }),
    from: "FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0 ORDER BY r.item",
  })}COMMIT TRANSACTION;
END;
SELECT r.item, NULL AS code, NULL AS subject FROM @renewing AS r;
${selectCredentials("@renewing")}`,
);

const RENEW: Batch<TokenRenewal, Credential> = {
  name: "renew-tokens",
  sql: RENEW_SQL,
  encode: ({ credentialId, token }) => {
    const actor = actorOf();
    return {
      credentialId: token.credentialId,
      oldId: credentialId,
      secretHash: token.secretHash,
      // Where nobody said who calls, the agent answers for it.
      actor: actor === SYSTEM_ACTOR ? null : actor,
    };
  },
  decode: (result, renewals) => decodeCredentials(result, renewals, notRenewable),
  maxItems: 50,
  conflictKey: ({ credentialId }) => credentialId,
  wakes: false,
};

/** @throws UNAUTHENTICATED: the old one is no token, revoked or expired */
export function renewToken(connection: Connection, renewal: TokenRenewal): Promise<Credential> {
  return connection.run(RENEW, renewal);
}

const REVOKE_SQL = sqlText(
  "revoke-credentials",
  `${PROLOGUE}${DECLARE_ENDING}DECLARE @revoked TABLE (credential_id ${ID} NOT NULL PRIMARY KEY, item int NOT NULL, actor ${ID} NOT NULL,
  kind ${WORD} NULL, agent_id ${ID} NULL, live bit NOT NULL);
INSERT INTO @revoked (credential_id, item, actor, kind, agent_id, live)
SELECT j.credential_id, j.item, j.actor, c.kind, a.agent_id, CASE WHEN c.credential_no IS NOT NULL AND c.revoked_at IS NULL THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', actor varchar(128)) AS j
LEFT JOIN dbo.credentials AS c ON c.credential_id = j.credential_id ${BIN2}
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT r.credential_id, r.actor, r.kind, r.agent_id FROM @revoked AS r WHERE r.live = 1;
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT c.credential_id, r.actor, c.kind, r.agent_id
FROM @revoked AS r JOIN dbo.credentials AS c ON c.renews = r.credential_id
WHERE r.live = 1 AND c.renews IS NOT NULL AND c.last_used_at IS NULL AND c.revoked_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM @ending AS e WHERE e.credential_id = c.credential_id);
IF EXISTS (SELECT 1 FROM @ending AS e)
BEGIN
  BEGIN TRANSACTION;
  ${END}COMMIT TRANSACTION;
END;
SELECT r.item, NULL AS code, NULL AS subject FROM @revoked AS r;
${selectCredentials("@revoked")}`,
);

const REVOKE: Batch<string, Credential> = {
  name: "revoke-credentials",
  sql: REVOKE_SQL,
  encode: (credentialId) => ({ credentialId, actor: actorOf() }),
  decode: (result, credentialIds) => decodeCredentials(result, credentialIds, credentialNotFound),
  maxItems: 50,
  conflictKey: (credentialId) => credentialId,
  wakes: false,
};

/** For good, with the unused renewals of a token. Repeating it changes nothing. @throws NOT_FOUND */
export function revokeCredential(connection: Connection, credentialId: string): Promise<Credential> {
  return connection.run(REVOKE, credentialId);
}

/**
 * Who replaces a token at this moment waits for its row, or is waited for: then the id is no longer there. The first use of a
 * renewal ends the token that was renewed, in the same transaction.
 */
const USE_SQL = sqlText(
  "use-credentials",
  `${PROLOGUE}${DECLARE_ENDING}DECLARE @named TABLE (credential_id ${ID} NOT NULL PRIMARY KEY, item int NOT NULL, actor ${ID} NULL);
INSERT INTO @named (credential_id, item, actor)
SELECT j.credential_id, j.item, j.actor
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', actor varchar(128)) AS j;
INSERT INTO @ending (credential_id, actor, kind, agent_id, renewed_by)
SELECT old.credential_id, MIN(n.actor), MIN(old.kind), MIN(a.agent_id), MIN(c.credential_id)
FROM @named AS n JOIN dbo.credentials AS c ON c.credential_id = n.credential_id
JOIN dbo.credentials AS old ON old.credential_id = c.renews JOIN dbo.agents AS a ON a.agent_no = old.agent_no
WHERE c.last_used_at IS NULL AND c.revoked_at IS NULL AND old.revoked_at IS NULL GROUP BY old.credential_id;
BEGIN TRANSACTION;
UPDATE c SET last_used_at = @now
FROM @named AS n JOIN dbo.credentials AS c ON c.credential_id = n.credential_id
WHERE c.revoked_at IS NULL AND (c.last_used_at IS NULL OR c.last_used_at <= @now - ${CREDENTIAL_USE_MILLISECONDS})
${BY_KEY};
IF EXISTS (SELECT 1 FROM @ending AS e)
BEGIN
  ${END}
END;
COMMIT TRANSACTION;
SELECT n.item, NULL AS code, NULL AS subject, CASE WHEN c.credential_no IS NULL THEN 0 ELSE 1 END AS live
FROM @named AS n LEFT JOIN dbo.credentials AS c ON c.credential_id = n.credential_id AND c.revoked_at IS NULL;
`,
);

const USE: Batch<string, boolean> = {
  name: "use-credentials",
  sql: USE_SQL,
  encode: (credentialId) => ({ credentialId, actor: actorOf() }),
  decode: (result, credentialIds) =>
    outcomeRows<OutcomeRow & { live: number }>(result, credentialIds).map(({ live }) => ({ value: live === 1 })),
  maxItems: 200,
  conflictKey: (credentialId) => credentialId,
  wakes: false,
};

/** Each at most once in CREDENTIAL_USE_MILLISECONDS. @returns which of them are there and not revoked */
export async function recordCredentialUse(connection: Connection, credentialIds: readonly string[]): Promise<string[]> {
  const live = await Promise.all(credentialIds.map((credentialId) => connection.run(USE, credentialId)));
  return credentialIds.filter((_, position) => live[position] === true);
}
