import type { Credential } from "../../model/credential.ts";
import type { AgentCommunicationError } from "../../model/errors.ts";
import { actorOf, SYSTEM_ACTOR } from "../../trace/call-context.ts";
import {
  credentialNotFound,
  notRenewable,
  readStoredCredential,
  type StoredCredential,
} from "../credential-reading.ts";
import type { TokenRenewal } from "../store.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

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

/**
 * The old token is read with what the new one gets, and of the renewals that nobody has used yet all but the newest: with the one
 * that is made here PENDING_RENEWALS_MAX live.
 */
const RENEW_SQL = procedure("renew_tokens");

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
};

/** @throws UNAUTHENTICATED: the old one is no token, revoked or expired */
export function renewToken(connection: Connection, renewal: TokenRenewal): Promise<Credential> {
  return connection.run(RENEW, renewal);
}

const REVOKE_SQL = procedure("revoke_credentials");

const REVOKE: Batch<string, Credential> = {
  name: "revoke-credentials",
  sql: REVOKE_SQL,
  encode: (credentialId) => ({ credentialId, actor: actorOf() }),
  decode: (result, credentialIds) => decodeCredentials(result, credentialIds, credentialNotFound),
  maxItems: 50,
  conflictKey: (credentialId) => credentialId,
};

/** For good, with the unused renewals of a token. Repeating it changes nothing. @throws NOT_FOUND */
export function revokeCredential(connection: Connection, credentialId: string): Promise<Credential> {
  return connection.run(REVOKE, credentialId);
}

/**
 * Who replaces a token at this moment waits for its row, or is waited for: then the id is no longer there. The first use of a
 * renewal ends the token that was renewed, in the same transaction.
 */
const USE_SQL = procedure("use_credentials");

const USE: Batch<string, boolean> = {
  name: "use-credentials",
  sql: USE_SQL,
  encode: (credentialId) => ({ credentialId, actor: actorOf() }),
  decode: (result, credentialIds) =>
    outcomeRows<OutcomeRow & { live: number }>(result, credentialIds).map(({ live }) => ({ value: live === 1 })),
  maxItems: 200,
  conflictKey: (credentialId) => credentialId,
};

/** Each at most once in CREDENTIAL_USE_MILLISECONDS. @returns which of them are there and not revoked */
export async function recordCredentialUse(connection: Connection, credentialIds: readonly string[]): Promise<string[]> {
  const live = await Promise.all(credentialIds.map((credentialId) => connection.run(USE, credentialId)));
  return credentialIds.filter((_, position) => live[position] === true);
}
