import type { JsonValue } from "../../model/json.ts";
import { readFoundCredential, type StoredCredential } from "../credential-reading.ts";
import type { CredentialLookup, FoundCredential } from "../store.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** What every request is checked by, at most once in 5 s for each credential; look-ups that come together travel together. */

/** By id, as nearly all are: agents with tokens of their own. */
const FIND_BY_ID_SQL = procedure("find_credentials_by_id");

/** What is bound by its thumbprint comes before what is bound by its subject, so it is looked for last. */
const FIND_SQL = procedure("find_credentials");

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
};

/** As it is now, revoked and expired ones included; of bindings the one in force. */
export function findCredential(connection: Connection, lookup: CredentialLookup): Promise<FoundCredential | undefined> {
  return connection.run(FIND, lookup);
}
