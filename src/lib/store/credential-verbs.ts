import type { Credential, ListCredentialsQuery } from "../model/credential.ts";
import type { CredentialLookup, NewCredential } from "./calls.ts";
import { readFoundCredential, readStoredCredential, type StoredCredential } from "./credential-reading.ts";
import type { Decide } from "./decision.ts";
import { type List, listPage } from "./list-page.ts";
import {
  type CredentialChange,
  decideIssue,
  decideRenewal,
  decideRevocation,
  type SeenCredentials,
} from "./rules/credentials.ts";
import type { Store } from "./store.ts";

/** The verbs of credentials, over what an engine reads and writes. */

/** Which credentials, unused renewals, agent and binding a rule looks at. */
export interface CredentialAsk {
  credentialId: string;
  /** The token that is renewed. */
  renews?: string;
  agentId?: string | undefined;
  bound?: Binding | undefined;
}

/** What is bound once: a principal by its object id, a certificate by its thumbprint or subject. */
export type Binding = { kind: "principal" | "certificate"; subject: string } | { thumbprint: string };

/** What an engine does for credentials. */
export interface CredentialEngine {
  decide: Decide<CredentialAsk, SeenCredentials, CredentialChange>;
  find(lookup: CredentialLookup): Promise<StoredCredential | undefined>;
  list(
    range: { before: number; rows: number },
    query: Pick<ListCredentialsQuery, "agentId" | "kind">,
  ): Promise<readonly StoredCredential[]>;
  recordUse: Store["recordCredentialUse"];
}

const CREDENTIALS: List<StoredCredential, Credential> = {
  shape: 1,
  read: readStoredCredential,
  positionOf: (row) => [row.credential_no],
};

/** What is read before a credential is issued. */
export function askToIssue(credential: NewCredential): CredentialAsk {
  const agentId = "agentId" in credential ? credential.agentId : undefined;
  return { credentialId: credential.credentialId, agentId, bound: bindingOf(credential) };
}

function bindingOf(credential: NewCredential): Binding | undefined {
  if (credential.kind === "principal") return { kind: "principal", subject: credential.objectId };
  if (credential.kind !== "certificate") return undefined;
  const { kind, thumbprint, subject = "" } = credential;
  return thumbprint === undefined ? { kind, subject } : { thumbprint };
}

/** The verbs of the store that are about credentials. */
export function credentialVerbs(engine: CredentialEngine) {
  return {
    async findCredential(lookup) {
      const row = await engine.find(lookup);
      return row === undefined ? undefined : readFoundCredential(row);
    },
    issueCredential: (credential) =>
      engine.decide(askToIssue(credential), (seen, deciding) => decideIssue(credential, seen, deciding)),
    async listCredentials({ agentId, kind, ...page }) {
      const { after, rows, take } = listPage(CREDENTIALS, { list: "credentials", agentId, kind }, page);
      const before = Number(after?.[0] ?? Number.MAX_SAFE_INTEGER);
      return take(await engine.list({ before, rows }, { agentId, kind }));
    },
    revokeCredential: (credentialId) =>
      engine.decide({ credentialId }, (seen, deciding) => decideRevocation(credentialId, seen, deciding)),
    renewToken(renewal) {
      const ask = { credentialId: renewal.token.credentialId, renews: renewal.credentialId };
      return engine.decide(ask, (seen, deciding) => decideRenewal(renewal, seen, deciding));
    },
    recordCredentialUse: engine.recordUse,
  } satisfies Partial<Store>;
}
