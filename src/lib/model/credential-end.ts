import { CREDENTIAL_USE_MILLISECONDS, type Credential } from "./credential.ts";

/** When a credential ends by itself. */

const DAY_MILLISECONDS = 86_400_000;

/**
 * Milliseconds without a noted use after which a credential ends; Infinity: it does not. Uses are noted once a day, so what was
 * used on every day but one may have an old note: a day is added, and nothing ends earlier than was said. What an enrolment key
 * says of disuse is about its tokens.
 */
export function idleMilliseconds({ kind, idleDays }: Pick<Credential, "kind" | "idleDays">): number {
  if (kind === "enrolment" || idleDays === undefined) return Number.POSITIVE_INFINITY;
  return idleDays * DAY_MILLISECONDS + CREDENTIAL_USE_MILLISECONDS;
}

/**
 * When it ends if it is not used again, in milliseconds since the epoch; Infinity: never.
 *
 * @example
 * endOf(credential) <= store.now(); // it has ended
 */
export function endOf(
  credential: Pick<Credential, "kind" | "createdAt" | "expiresAt" | "revokedAt" | "lastUsedAt" | "idleDays">,
): number {
  const { createdAt, expiresAt, revokedAt, lastUsedAt } = credential;
  const idleSince = Date.parse(lastUsedAt ?? createdAt);
  const fixed = [expiresAt, revokedAt].flatMap((instant) => (instant === undefined ? [] : [Date.parse(instant)]));
  return Math.min(...fixed, idleSince + idleMilliseconds(credential));
}
