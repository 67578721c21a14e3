import type { CopiedChannel } from "../copy/copied-rows.ts";
import { copiedTable, readPage, TEXT, writePage } from "./copied-table.ts";
import { BIN2, HASH, ID, WORD } from "./transaction.ts";

/** Channels as a copy brings them, with their members and grants; their mailboxes are there already. */

/** The name of a channel. */
export const NAME = `varchar(100) ${BIN2}`;

const CHANNEL = {
  name: `${NAME} NOT NULL`,
  kind: WORD,
  description: TEXT,
  created_by: ID,
  created_at: "bigint",
  request_hash: HASH,
  members: "int",
  grants: "int",
};

const MEMBER = { name: `${NAME} NOT NULL`, agent_id: ID, added_at: "bigint" };

const GRANT = { name: `${NAME} NOT NULL`, grantee: ID, may_post: "bit", may_read: "bit", may_manage: "bit" };

export const copyChannels = copiedTable<CopiedChannel>({
  name: "copy-channels",
  idOf: (row) => row.name,
  find: `SELECT i.id AS asked, c.kind, c.created_by, c.created_at, c.request_hash, c.members, c.grants
FROM @asked AS i JOIN dbo.channels AS c ON c.name = i.id`,
  encode: (rows) => ({
    ...writePage(
      "rows",
      rows.map(({ member_rows: _members, grant_rows: _grants, ...channel }) => channel),
      CHANNEL,
    ),
    ...writePage(
      "members",
      rows.flatMap(({ name, member_rows: members }) => members.map((member) => ({ name, ...member }))),
      MEMBER,
    ),
    ...writePage(
      "grants",
      rows.flatMap(({ name, grant_rows: grants }) => grants.map((grant) => ({ name, ...grant }))),
      GRANT,
    ),
  }),
  add: `${readPage("@rows", "rows", CHANNEL)}${readPage("@members", "members", MEMBER)}${readPage("@grants", "grants", GRANT)}
DELETE r FROM @rows AS r JOIN dbo.channels AS c ON c.name = r.name;
BEGIN TRANSACTION;
INSERT INTO dbo.channels (channel_no, name, kind, description, created_by, created_at, request_hash, members, grants)
SELECT a.agent_no, r.name, r.kind, r.description, r.created_by, r.created_at, r.request_hash, r.members, r.grants
FROM @rows AS r JOIN dbo.agents AS a ON a.agent_id = CONCAT('#', r.name) ${BIN2};
SET @added = @@ROWCOUNT;
INSERT INTO dbo.channel_members (channel_no, agent_no, added_at)
SELECT c.channel_no, a.agent_no, m.added_at FROM @rows AS r JOIN @members AS m ON m.name = r.name
JOIN dbo.channels AS c ON c.name = r.name JOIN dbo.agents AS a ON a.agent_id = m.agent_id;
INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
SELECT c.channel_no, g.grantee, a.agent_no, g.may_post, g.may_read, g.may_manage FROM @rows AS r JOIN @grants AS g ON g.name = r.name
JOIN dbo.channels AS c ON c.name = r.name LEFT JOIN dbo.agents AS a ON a.agent_id = g.grantee;
COMMIT TRANSACTION;
`,
});
