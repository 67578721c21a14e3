import type { CredentialLookup, FoundCredential, Store } from "../store/store.ts";
import { idleMilliseconds } from "./credential-end.ts";

/** How long a process may go on using what it read of a credential: so long a revocation elsewhere takes at most. */
export const CREDENTIAL_CACHE_MILLISECONDS = 5_000;
/** Look-ups kept at most, those that found nothing included; beyond it the oldest goes. A found one is about 1 KB, so 10 MB. */
const CACHED_MAX = 10_000;

/** A credential as it was read, with the times that every check needs as numbers. */
export interface KnownCredential {
  found: FoundCredential;
  /** Milliseconds; Infinity: it does not expire. */
  expiresAt: number;
  revoked: boolean;
  createdAt: number;
  /** Milliseconds without a noted use after which it ends; Infinity: it does not. */
  idleMilliseconds: number;
  /** Milliseconds; undefined: not yet. */
  lastUsedAt: number | undefined;
  /** The write of the first use, while it is under way. */
  firstUse?: Promise<boolean> | undefined;
}

interface Entry {
  /** Before the store was asked, so that what it answered is no older. */
  askedAt: number;
  known: Promise<KnownCredential | undefined>;
}

function milliseconds(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : Date.parse(instant);
}

function toKnown(found: FoundCredential | undefined): KnownCredential | undefined {
  if (found === undefined) return undefined;
  const { createdAt, expiresAt, revokedAt, lastUsedAt } = found.credential;
  return {
    found,
    expiresAt: milliseconds(expiresAt) ?? Number.POSITIVE_INFINITY,
    revoked: revokedAt !== undefined,
    createdAt: Date.parse(createdAt),
    idleMilliseconds: idleMilliseconds(found.credential),
    lastUsedAt: milliseconds(lastUsedAt),
  };
}

function keyOf(lookup: CredentialLookup): string {
  if ("credentialId" in lookup) return `id ${lookup.credentialId}`;
  if ("objectId" in lookup) return `principal ${lookup.objectId}`;
  return `certificate ${lookup.thumbprint} ${lookup.subject}`;
}

/**
 * Look-ups of credentials, which every request needs: at most one of each in CREDENTIAL_CACHE_MILLISECONDS, concurrent ones
 * together, and unknown ones as well as known ones, so that asking for the same wrong id again and again costs the store
 * little.
 */
export class CredentialCache {
  readonly #store: Store;
  readonly #entries = new Map<string, Entry>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** As it was at most CREDENTIAL_CACHE_MILLISECONDS ago. @throws what the store throws */
  find(lookup: CredentialLookup): Promise<KnownCredential | undefined> {
    const key = keyOf(lookup);
    const now = this.#store.now();
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      const age = now - entry.askedAt;
      // A clock that was set back would otherwise keep an entry for longer.
      if (age >= 0 && age < CREDENTIAL_CACHE_MILLISECONDS) return entry.known;
      this.#entries.delete(key);
    }
    return this.#ask(key, lookup, now);
  }

  /** What this process itself has changed is read again by the next look-up, also where one is under way. */
  forget(lookup?: CredentialLookup): void {
    if (lookup === undefined) this.#entries.clear();
    else this.#entries.delete(keyOf(lookup));
  }

  #ask(key: string, lookup: CredentialLookup, askedAt: number): Promise<KnownCredential | undefined> {
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < CACHED_MAX) break;
      this.#entries.delete(oldest);
    }
    const entry: Entry = { askedAt, known: this.#store.findCredential(lookup).then(toKnown) };
    this.#entries.set(key, entry);
    // A failure is no answer to be kept.
    entry.known.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry.known;
  }
}
