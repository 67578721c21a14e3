import type { JsonValue } from "../../json.ts";
import { CREDENTIAL_COLUMNS, readFoundCredential, type StoredCredential } from "../credential-reading.ts";
import type { CredentialLookup, FoundCredential } from "../store.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText, plainText } from "./item-text.ts";
import { sqlText } from "./texts.ts";
import { BIN2, HASH, ID, PROLOGUE, WORD } from "./transaction.ts";

/** What every request is checked by, at most once in 5 s for each credential; look-ups that come together travel together. */

/** The second recordset: the credentials of items. @param source a table variable with columns item and credential_id */
export function selectCredentials(source: string): string {
  return `SELECT x.item, ${CREDENTIAL_COLUMNS}
FROM ${source} AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
`;
}

const OUTCOMES = "SELECT x.item, NULL AS code, NULL AS subject FROM @wanted AS x;\n";

/** By id, as nearly all are: agents with tokens of their own. */
const FIND_BY_ID_SQL = sqlText(
  "find-credentials by id",
  `${PROLOGUE}DECLARE @wanted TABLE (item int NOT NULL PRIMARY KEY, credential_id ${ID} NOT NULL);
INSERT INTO @wanted (item, credential_id)
SELECT j.item, j.credential_id FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId') AS j;
${OUTCOMES}${selectCredentials("@wanted")}`,
);

/** What is bound by its thumbprint comes before what is bound by its subject, so it is looked for last. */
const FIND_SQL = sqlText(
  "find-credentials",
  `${PROLOGUE}DECLARE @wanted TABLE (item int NOT NULL PRIMARY KEY, credential_id ${ID} NULL, kind ${WORD} NULL, subject nvarchar(512) ${BIN2} NULL,
  thumbprint ${HASH} NULL);
INSERT INTO @wanted (item, credential_id, kind, subject, thumbprint)
SELECT j.item, j.credential_id, j.kind, ${plainText("j.subject")}, j.thumbprint
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', kind varchar(24), subject nvarchar(512),
  thumbprint varchar(64)) AS j;
UPDATE x SET credential_id = c.credential_id
FROM @wanted AS x JOIN dbo.credentials AS c ON c.kind = x.kind AND c.subject = x.subject
WHERE c.subject IS NOT NULL AND c.revoked_at IS NULL;
UPDATE x SET credential_id = c.credential_id
FROM @wanted AS x JOIN dbo.credentials AS c ON c.thumbprint = x.thumbprint
WHERE c.thumbprint IS NOT NULL AND c.revoked_at IS NULL;
${OUTCOMES}${selectCredentials("@wanted")}`,
);

function encodeLookup(lookup: CredentialLookup): { [key: string]: JsonValue } {
  if ("credentialId" in lookup) return { credentialId: lookup.credentialId };
  if ("objectId" in lookup) return { kind: "principal", subject: itemText(lookup.objectId) };
  return { kind: "certificate", subject: itemText(lookup.subject), thumbprint: lookup.thumbprint };
}

const FIND: Batch<CredentialLookup, FoundCredential | undefined> = {
  name: "find-credentials",
  sql: (lookups) => (lookups.every((lookup) => "credentialId" in lookup) ? FIND_BY_ID_SQL : FIND_SQL),
  encode: encodeLookup,
  decode(result, lookups) {
    const rows = result.byItem<StoredCredential & { item: number }>(1);
    return lookups.map((_, item) => {
      const row = rows.get(item)?.[0];
      return { value: row === undefined ? undefined : readFoundCredential(row) };
    });
  },
  maxItems: 200,
  wakes: false,
};

/** As it is now, revoked and expired ones included; of bindings the one in force. */
export function findCredential(connection: Connection, lookup: CredentialLookup): Promise<FoundCredential | undefined> {
  return connection.run(FIND, lookup);
}
