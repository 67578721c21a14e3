import { newId } from "../../../src/lib/model/ids.ts";
import { type NewSecret, newSecret } from "../../../src/lib/security/token.ts";
import type {
  EnrolmentAuthority,
  FirstAdminAuthority,
  FoundCredential,
  NewCredential,
  Store,
} from "../../../src/lib/store/store.ts";

/** Credentials as the domain hands them to the store: with an id that was made before, and the hash of their secret. */

export interface Issued {
  credentialId: string;
  secret: NewSecret;
}

/** A token of an agent that is there. */
export async function issueToken(
  store: Store,
  agentId: string,
  more: Partial<Omit<Extract<NewCredential, { kind: "token" }>, "kind">> = {},
): Promise<Issued> {
  const credentialId = newId(store.now());
  const secret = newSecret("token", credentialId);
  await store.issueCredential({ kind: "token", agentId, credentialId, secretHash: secret.secretHash, ...more });
  return { credentialId, secret };
}

/** An enrolment key for workers whose ids begin with `agentIdPrefix`. */
export async function issueKey(
  store: Store,
  agentIdPrefix: string,
  more: Partial<Omit<Extract<NewCredential, { kind: "enrolment" }>, "kind">> = {},
): Promise<Issued> {
  const credentialId = newId(store.now());
  const secret = newSecret("enrolment", credentialId);
  await store.issueCredential({
    kind: "enrolment",
    credentialId,
    secretHash: secret.secretHash,
    roles: ["worker"],
    agentIdPrefix,
    maxUses: 3,
    ...more,
  });
  return { credentialId, secret };
}

/** The authority of an enrolment key, with a new token; the same `idempotencyKey` makes it a repeat. */
export function enrolling(store: Store, key: Issued, idempotencyKey?: string): EnrolmentAuthority {
  const credentialId = newId(store.now());
  const { secretHash } = newSecret("token", credentialId);
  return { kind: "enrolment", credentialId: key.credentialId, token: { credentialId, secretHash }, idempotencyKey };
}

/** The authority of a caller with access to the database: the first admin, or one more. */
export function bootstrapping(store: Store, again: boolean): FirstAdminAuthority {
  const credentialId = newId(store.now());
  const { secretHash } = newSecret("token", credentialId);
  return { kind: "first_admin", token: { credentialId, secretHash, label: "first ✓" }, again };
}

/** What the store has under an id. Fails when there is nothing. */
export async function found(store: Store, credentialId: string): Promise<FoundCredential> {
  const one = await store.findCredential({ credentialId });
  if (one === undefined) throw new Error(`there is no credential ${credentialId}`);
  return one;
}
