import type { CopiedCredential } from "../copy/copied-rows.ts";
import { copiedTable, JSON_TEXT, readPage, TEXT, writePage } from "./copied-table.ts";
import { HASH, ID, WORD } from "./transaction.ts";

/** Credentials as a copy brings them: tokens and keys stay valid, because their hashes come along. */

const CREDENTIAL = {
  credential_id: `${ID} NOT NULL`,
  kind: WORD,
  agent_id: ID,
  secret_hash: HASH,
  label: TEXT,
  created_at: "bigint",
  created_by: ID,
  expires_at: "bigint",
  revoked_at: "bigint",
  last_used_at: "bigint",
  roles: JSON_TEXT,
  agent_id_prefix: ID,
  max_uses: "int",
  uses_left: "int",
  subject: TEXT,
  thumbprint: HASH,
  agent_ids: JSON_TEXT,
  enrolled_by: ID,
  enrolment_request: HASH,
  capabilities: JSON_TEXT,
  max_concurrent_tasks: "int",
  idle_days: "int",
  token_days: "int",
  renews: ID,
};

export const copyCredentials = copiedTable<CopiedCredential>({
  name: "copy-credentials",
  idOf: (row) => row.credential_id,
  find: `SELECT i.id AS asked, c.kind, a.agent_id, c.created_at, c.expires_at, c.revoked_at, c.uses_left
FROM @asked AS i JOIN dbo.credentials AS c ON c.credential_id = i.id LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no`,
  encode: (rows) => writePage("rows", rows, CREDENTIAL),
  add: `${readPage("@rows", "rows", CREDENTIAL)}
BEGIN TRANSACTION;
INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at, revoked_at,
  last_used_at, roles, agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, enrolled_by, enrolment_request,
  capabilities, max_concurrent_tasks, idle_days, token_days, renews)
SELECT r.credential_id, r.kind, a.agent_no, r.secret_hash, r.label, r.created_at, r.created_by, r.expires_at, r.revoked_at,
  r.last_used_at, r.roles, r.agent_id_prefix, r.max_uses, r.uses_left, r.subject, r.thumbprint, r.agent_ids, r.enrolled_by,
  r.enrolment_request, r.capabilities, r.max_concurrent_tasks, r.idle_days, r.token_days, r.renews
FROM @rows AS r LEFT JOIN dbo.agents AS a ON a.agent_id = r.agent_id
WHERE NOT EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.credential_id = r.credential_id) ORDER BY r.position;
SET @added = @@ROWCOUNT;
COMMIT TRANSACTION;
`,
});
