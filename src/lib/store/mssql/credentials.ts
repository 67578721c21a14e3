import { actorOf } from "../../security/call-context.ts";
import type { Credential, ListCredentialsQuery } from "../../security/credential.ts";
import {
  alreadyBound,
  CREDENTIAL_COLUMNS,
  credentialColumns,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { NewCredential, Page, Paged } from "../store.ts";
import { type Batch, bigint, id, int, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decodeCredentials, recordCredentials } from "./credential-life.ts";
import { selectCredentials } from "./find-credential.ts";
import { itemText, plainText } from "./item-text.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { BIN2, HASH, ID, PROLOGUE, WORD } from "./transaction.ts";

/** What admins issue and list. */

const ALL = `SELECT ${CREDENTIAL_COLUMNS} FROM dbo.credentials AS c LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no`;

/**
 * A credential that is there under its id was written by this call, whose answer was lost. (The ids of a principal's agents
 * and the capabilities are read from the default columns of OPENJSON: a WITH clause may cut them at 4,000 characters.)
 */
const ISSUE_SQL = sqlText(
  "issue-credentials",
  `${PROLOGUE}DECLARE @issued TABLE (item int NOT NULL PRIMARY KEY, credential_id ${ID} NOT NULL, kind ${WORD} NOT NULL,
  agent_id ${ID} NULL, agent_no int NULL, secret_hash ${HASH} NULL, label nvarchar(128) NULL, actor ${ID} NOT NULL,
  expires_in bigint NULL, roles nvarchar(256) NULL, agent_id_prefix ${ID} NULL, max_uses int NULL, subject nvarchar(512) ${BIN2} NULL,
  thumbprint ${HASH} NULL, agent_ids nvarchar(max) NULL, capabilities nvarchar(max) NULL, max_concurrent_tasks int NULL,
  idle_days int NULL, token_days int NULL, code ${WORD} NULL);
INSERT INTO @issued (item, credential_id, kind, agent_id, agent_no, secret_hash, label, actor, expires_in, roles,
  agent_id_prefix, max_uses, subject, thumbprint, max_concurrent_tasks, idle_days, token_days)
SELECT j.item, j.credential_id, j.kind, j.agent_id, a.agent_no, j.secret_hash, ${plainText("j.label")}, j.actor, j.expires_in,
  ${plainText("j.roles")}, j.agent_id_prefix, j.max_uses, ${plainText("j.subject")}, j.thumbprint, j.max_concurrent_tasks,
  j.idle_days, j.token_days
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', kind varchar(24), agent_id varchar(128) '$.agentId',
  secret_hash varchar(43) '$.secretHash', label nvarchar(128), actor varchar(128),
  expires_in bigint '$.expiresInMilliseconds', roles nvarchar(256), agent_id_prefix varchar(128) '$.agentIdPrefix',
  max_uses int '$.maxUses', subject nvarchar(512), thumbprint varchar(64), max_concurrent_tasks int '$.maxConcurrentTasks',
  idle_days int '$.idleDays', token_days int '$.tokenDays') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id ${BIN2};
UPDATE i SET agent_ids = ${plainText("v.value")}
FROM @issued AS i JOIN OPENJSON(@items) AS o ON o.[key] = i.item CROSS APPLY OPENJSON(o.value) AS v
WHERE v.[key] = 'agentIds' AND v.value IS NOT NULL;
UPDATE i SET capabilities = ${plainText("v.value")}
FROM @issued AS i JOIN OPENJSON(@items) AS o ON o.[key] = i.item CROSS APPLY OPENJSON(o.value) AS v
WHERE v.[key] = 'capabilities' AND v.value IS NOT NULL;
UPDATE i SET code = CASE WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.credential_id = i.credential_id) THEN 'THERE'
  WHEN i.agent_id IS NOT NULL AND i.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.kind = i.kind AND c.subject = i.subject AND c.subject IS NOT NULL
    AND c.revoked_at IS NULL) THEN 'ID_TAKEN'
  WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.thumbprint = i.thumbprint AND c.thumbprint IS NOT NULL
    AND c.revoked_at IS NULL) THEN 'ID_TAKEN' END
FROM @issued AS i;
IF EXISTS (SELECT 1 FROM @issued AS i WHERE i.code IS NULL)
BEGIN
  BEGIN TRANSACTION;
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at, roles,
  agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, capabilities, max_concurrent_tasks, idle_days, token_days)
SELECT i.credential_id, i.kind, i.agent_no, i.secret_hash, i.label, @now, i.actor, @now + i.expires_in, i.roles,
  i.agent_id_prefix, i.max_uses, i.max_uses, i.subject, i.thumbprint, i.agent_ids, i.capabilities, i.max_concurrent_tasks,
  i.idle_days, i.token_days
FROM @issued AS i WHERE i.code IS NULL ORDER BY i.item;
  ${recordCredentials("issued", "FROM @issued AS c WHERE c.code IS NULL ORDER BY c.item")}COMMIT TRANSACTION;
END;
SELECT i.item, CASE WHEN i.code <> 'THERE' THEN i.code END AS code, NULL AS subject FROM @issued AS i;
${selectCredentials("@issued")}`,
);

function optionalText(text: string | null): string | null {
  return text === null ? null : itemText(text);
}

/** What is bound is bound once; other credentials are told apart by their ids. */
function bindingOf(credential: NewCredential): string {
  if (credential.kind === "principal") return credential.objectId;
  if (credential.kind !== "certificate") return credential.credentialId;
  return `${credential.thumbprint ?? ""} ${credential.subject ?? ""}`;
}

const ISSUE: Batch<NewCredential, Credential> = {
  name: "issue-credentials",
  sql: ISSUE_SQL,
  encode(credential) {
    const { label, roles, subject, agentIds, capabilities, ...columns } = credentialColumns(credential);
    return {
      ...columns,
      credentialId: credential.credentialId,
      kind: credential.kind,
      actor: actorOf(),
      label: optionalText(label),
      roles: optionalText(roles),
      subject: optionalText(subject),
      agentIds: optionalText(agentIds),
      capabilities: optionalText(capabilities),
    };
  },
  decode: (result, credentials) =>
    decodeCredentials(result, credentials, (credential, code) =>
      code === "ID_TAKEN" || !("agentId" in credential) ? alreadyBound(credential) : agentNotFound(credential.agentId),
    ),
  maxItems: 50,
  conflictKey: bindingOf,
  wakes: false,
};

/** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
export function issueCredential(connection: Connection, credential: NewCredential): Promise<Credential> {
  return connection.run(ISSUE, credential);
}

type CredentialFilters = Pick<ListCredentialsQuery, "agentId" | "kind">;

const CONDITIONS: Readonly<Record<keyof CredentialFilters, string>> = {
  agentId:
    "AND c.agent_no IS NOT NULL AND c.agent_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @agentId)",
  kind: "AND c.kind = @kind",
};
const FILTERS: readonly (keyof CredentialFilters)[] = ["agentId", "kind"];

/** Which filters a query has, as the name of its text. */
function filtersOf(query: CredentialFilters): string {
  return FILTERS.filter((filter) => query[filter] !== undefined).join(" ");
}

/** A text for each set of filters, so that each has the plan of its index. */
const LISTS: ReadonlyMap<string, SqlText> = new Map(
  Array.from({ length: 2 ** FILTERS.length }, (_, subset) => {
    const filters = FILTERS.filter((_, position) => subset & (2 ** position));
    const conditions = filters.map((filter) => CONDITIONS[filter]).join(" ");
    const sql = `${ALL.replace("SELECT", "SELECT TOP (@rows)")}
WHERE c.credential_no < @before ${conditions}
ORDER BY c.credential_no DESC;
`;
    return [filters.join(" "), sqlText(`list-credentials ${filters.join(" ")}`, sql)];
  }),
);

/** Newest first. Each filter has an index in the order of the list; with both, the kind is checked on the agent's rows. */
export async function listCredentials(
  connection: Connection,
  query: Page & CredentialFilters,
): Promise<Paged<Credential>> {
  const { agentId, kind, limit } = query;
  const filters = { list: "credentials", agentId, kind };
  const before = Number(decodeCursor(filters, query.cursor)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const sql = LISTS.get(filtersOf(query));
  if (sql === undefined) throw new Error("a list of credentials without a text");
  const result = await connection.query(sql, {
    rows: int(limit + 1),
    before: bigint(before),
    ...(agentId !== undefined && { agentId: id(agentId) }),
    ...(kind !== undefined && { kind: word(kind) }),
  });
  const rows = result.rows<StoredCredential>(0);
  return takePage(rows, limit, readStoredCredential, (last) => encodeCursor(filters, [last.credential_no]));
}
