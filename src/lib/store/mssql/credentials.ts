import type { Credential, ListCredentialsQuery } from "../../model/credential.ts";
import { actorOf } from "../../trace/call-context.ts";
import { alreadyBound, credentialColumns, readStoredCredential, type StoredCredential } from "../credential-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { NewCredential, Page, Paged } from "../store.ts";
import { type Batch, bigint, id, int, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decodeCredentials } from "./credential-life.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** What admins issue and list. */

/**
 * A credential that is there under its id was written by this call, whose answer was lost. (The ids of a principal's agents
 * and the capabilities are read from the default columns of OPENJSON: a WITH clause may cut them at 4,000 characters.)
 */
const ISSUE_SQL = procedure("issue_credentials");

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
};

/** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
export function issueCredential(connection: Connection, credential: NewCredential): Promise<Credential> {
  return connection.run(ISSUE, credential);
}

type CredentialFilters = Pick<ListCredentialsQuery, "agentId" | "kind">;

const LIST = procedure("list_credentials");

/** Newest first. Each filter has an index in the order of the list; with both, the kind is checked on the agent's rows. */
export async function listCredentials(
  connection: Connection,
  query: Page & CredentialFilters,
): Promise<Paged<Credential>> {
  const { agentId, kind, limit } = query;
  const filters = { list: "credentials", agentId, kind };
  const before = Number(decodeCursor(filters, query.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const result = await connection.query(LIST, {
    agentId: id(agentId ?? null),
    kind: word(kind ?? null),
    rows: int(limit + 1),
    before: bigint(before),
  });
  const rows = result.rows<StoredCredential>(0);
  return takePage(rows, limit, readStoredCredential, (last) => encodeCursor(filters, [last.credential_no]));
}
