import type { JsonValue } from "../../model/json.ts";
import { actorOf } from "../../trace/call-context.ts";
import type { StoredCredential } from "../credential-reading.ts";
import type { CredentialAsk, CredentialEngine } from "../credential-verbs.ts";
import type { CredentialChange, CredentialRow, SeenCredentials } from "../rules/credentials.ts";
import type { CredentialLookup } from "../store.ts";
import {
  type Batch,
  type BatchResult,
  bigint,
  hash,
  id,
  int,
  type OutcomeRow,
  outcomeRows,
  text,
  word,
} from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** Credentials: rows that are read, and rows that rules/credentials.ts wants written. */

const LIST = procedure("list_credentials");

/** What the verbs of credentials read and write. */
export function credentialEngine(connection: Connection): CredentialEngine {
  return {
    decide: decideBy(connection, CREDENTIALS),
    find: (lookup) => connection.run(FIND, lookup),
    async list({ before, rows }, { agentId = null, kind = null }) {
      const inputs = { agentId: id(agentId), kind: word(kind), rows: int(rows), before: bigint(before) };
      return (await connection.query(LIST, inputs)).rows<StoredCredential>(0);
    },
    async recordUse(credentialIds) {
      const live = await Promise.all(credentialIds.map((credentialId) => connection.run(USE, credentialId)));
      return credentialIds.filter((_, position) => live[position] === true);
    },
  };
}

/** By id, as nearly all are: agents with tokens of their own. */
const FIND_BY_ID_SQL = procedure("find_credentials_by_id");
/** What is bound by its thumbprint comes before what is bound by its subject, so it is looked for last. */
const FIND_SQL = procedure("find_credentials");

function encodeLookup(lookup: CredentialLookup): { [key: string]: JsonValue } {
  if ("credentialId" in lookup) return { credentialId: lookup.credentialId };
  if ("objectId" in lookup) return { kind: "principal", subject: itemText(lookup.objectId) };
  return { kind: "certificate", subject: itemText(lookup.subject), thumbprint: lookup.thumbprint };
}

/** What every request is checked by, at most once in 5 s for each credential; look-ups that come together travel together. */
const FIND: Batch<CredentialLookup, StoredCredential | undefined> = {
  name: "find-credentials",
  sql: (lookups) => (lookups.every((lookup) => "credentialId" in lookup) ? FIND_BY_ID_SQL : FIND_SQL),
  encode: encodeLookup,
  decode(result, lookups) {
    const rows = result.byItem<StoredCredential & { item: number }>(1);
    return lookups.map((_, item) => ({ value: rows.get(item)?.[0] }));
  },
  maxItems: 200,
};

/**
 * One procedure, since every agent's first request waits for it. Who replaces a token at this moment waits for its row, or is
 * waited for: then the id is no longer there.
 */
const USE: Batch<string, boolean> = {
  name: "use-credentials",
  sql: procedure("use_credentials"),
  encode: (credentialId) => ({ credentialId, actor: actorOf() }),
  decode: (result, credentialIds) =>
    outcomeRows<OutcomeRow & { live: number }>(result, credentialIds).map(({ live }) => ({ value: live === 1 })),
  maxItems: 200,
  conflictKey: (credentialId) => credentialId,
};

const CREDENTIALS: Subject<CredentialAsk, SeenCredentials, CredentialChange> = {
  name: "credentials",
  read: procedure("read_credentials"),
  ask: ({ credentialId, renews = null, agentId = null, bound }) => ({
    credentialId: id(credentialId),
    renews: id(renews),
    agentId: id(agentId),
    kind: word(bound !== undefined && "kind" in bound ? bound.kind : null),
    subject: text(bound !== undefined && "subject" in bound ? bound.subject : null),
    thumbprint: hash(bound !== undefined && "thumbprint" in bound ? bound.thumbprint : null),
  }),
  see: seeCredentials,
  write: writeCredentials,
  key: ({ credentialId, renews = credentialId, bound }) => (bound === undefined ? renews : JSON.stringify(bound)),
};

interface RenewalRow extends Pick<StoredCredential, "credential_id" | "kind" | "agent_id"> {
  renews: string;
}

function seeCredentials(result: BatchResult): SeenCredentials {
  const credentials = new Map(result.rows<CredentialRow>(1).map((row) => [row.credential_id, row]));
  const renewals = result.rows<RenewalRow>(2);
  const [others] = result.rows<{ agent_no: number | null; bound: number; live_tokens: number }>(3);
  return {
    credential: (credentialId) => credentials.get(credentialId),
    unusedRenewals: (credentialId) => renewals.filter(({ renews }) => renews === credentialId),
    liveTokens: () => others?.live_tokens ?? 0,
    agentNo: others?.agent_no ?? undefined,
    isBound: others?.bound === 1,
  };
}

const WRITE = procedure("write_credentials");

function writeCredentials({ issued, ended }: CredentialChange): ReturnType<typeof CREDENTIALS.write> {
  return {
    sql: WRITE,
    inputs: {
      ended: text(JSON.stringify(ended)),
      credential_id: id(issued?.credential_id ?? null),
      kind: word(issued?.kind ?? null),
      agent_no: int(issued?.agent_no ?? null),
      secret_hash: hash(issued?.secret_hash ?? null),
      label: text(issued?.label ?? null),
      created_by: id(issued?.created_by ?? null),
      expires_at: bigint(issued?.expires_at ?? null),
      roles: text(issued?.roles ?? null),
      agent_id_prefix: id(issued?.agent_id_prefix ?? null),
      max_uses: int(issued?.max_uses ?? null),
      uses_left: int(issued?.uses_left ?? null),
      subject: text(issued?.subject ?? null),
      thumbprint: hash(issued?.thumbprint ?? null),
      agent_ids: text(issued?.agent_ids ?? null),
      enrolled_by: id(issued?.enrolled_by ?? null),
      capabilities: text(issued?.capabilities ?? null),
      max_concurrent_tasks: int(issued?.max_concurrent_tasks ?? null),
      idle_days: int(issued?.idle_days ?? null),
      token_days: int(issued?.token_days ?? null),
      renews: id(issued?.renews ?? null),
    },
  };
}
