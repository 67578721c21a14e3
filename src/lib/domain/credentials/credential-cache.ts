import { BoundedMap } from "../../base/bounded-map.ts";
import { FairSlots } from "../../base/fair-slots.ts";
import type { Agent } from "../../model/agent.ts";
import { idleMilliseconds } from "../../model/credential-end.ts";
import type { CredentialLookup, FoundCredential, Store } from "../../store/store.ts";
import type { VerifiedAgent } from "./credential-registry.ts";

/** How long a process may go on using what it read of a credential: so long a revocation elsewhere takes at most. */
export const CREDENTIAL_CACHE_MILLISECONDS = 5_000;
/** Look-ups kept at most of each kind, found and not found; beyond it the oldest goes. A found one is about 1 KB, so 10 MB. */
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
  /** What is told of its agent, made once. */
  agent?: VerifiedAgent | undefined;
  /** The write of the first use, while it is under way. */
  firstUse?: Promise<boolean> | undefined;
}

interface Entry {
  /** Before the store was asked, so that what it answered is no older. */
  askedAt: number;
  known: Promise<KnownCredential | undefined>;
  /** What `known` has come to, once it has. */
  settled: KnownCredential | undefined;
}

/** How a credential is looked up. */
export interface LookupOptions {
  /** Who asks: look-ups of what is not known here yet take turns by it. */
  source?: string | undefined;
  /** Asks the store in any case. */
  anew?: boolean | undefined;
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
 * Look-ups of credentials that are not known here, at a time. A database answers one in 1 to 5 ms, so 4 for one source answer
 * 800 a second at least: a right token behind 1,000 wrong ones of its own address waits for a second at most, and a flood holds 16
 * connections of the pool at most, 4 for each address.
 */
const UNKNOWN_SLOTS = { slots: 16, slotsPerSource: 4, waitingPerSource: 2_000, waiting: 20_000 };
const NO_SOURCE = "";

/**
 * Look-ups of credentials, which every request needs: at most one of each in CREDENTIAL_CACHE_MILLISECONDS, concurrent ones
 * together, and unknown ones as well as known ones, so that asking for the same wrong id again and again costs the store
 * little. What was found and what was not are kept apart: a flood of wrong ids only pushes out wrong ids. A credential that was
 * found before is read again at once; others take turns by their source.
 */
export class CredentialCache {
  readonly #store: Pick<Store, "findCredential" | "now">;
  readonly #found = new BoundedMap<string, Entry>(CACHED_MAX);
  /** Those that were not found, and those that are being asked for the first time. */
  readonly #unknown = new BoundedMap<string, Entry>(CACHED_MAX);
  readonly #slots = new FairSlots(UNKNOWN_SLOTS);

  constructor(store: Pick<Store, "findCredential" | "now">) {
    this.#store = store;
  }

  /**
   * Its state of at most CREDENTIAL_CACHE_MILLISECONDS ago.
   *
   * @throws RATE_LIMITED when too many look-ups wait; and what the store throws
   */
  find(lookup: CredentialLookup, options: LookupOptions = {}): Promise<KnownCredential | undefined> {
    const key = keyOf(lookup);
    const now = this.#store.now();
    const entry = this.#found.get(key) ?? this.#unknown.get(key);
    if (entry !== undefined && options.anew !== true && isFresh(entry, now)) return entry.known;
    return this.#ask(key, lookup, now, options.source ?? NO_SOURCE);
  }

  /** What is known of a credential without asking anybody; undefined when nothing is, or not any more. */
  known(credentialId: string): KnownCredential | undefined {
    const entry = this.#found.get(`id ${credentialId}`);
    return entry !== undefined && isFresh(entry, this.#store.now()) ? entry.settled : undefined;
  }

  /** What this process itself has changed is read again by the next look-up, also where one is under way. */
  forget(lookup?: CredentialLookup): void {
    for (const entries of [this.#found, this.#unknown]) {
      if (lookup === undefined) entries.clear();
      else entries.delete(keyOf(lookup));
    }
  }

  /**
   * Forgets what was read of an agent with another role or status than it has now. About 0.1 ms for 10,000 credentials.
   *
   * @param now undefined where it is not known what became of the change
   */
  forgetAgent(agentId: string, now: Pick<Agent, "role" | "status"> | undefined): void {
    for (const [key, { settled }] of this.#found) {
      const agent = settled?.found.agent;
      const same = now !== undefined && agent?.role === now.role && agent.status === now.status;
      // What is being asked at this moment may have been read before the change.
      if (settled === undefined || (agent?.agentId === agentId && !same)) this.#found.delete(key);
    }
    this.#unknown.clear();
  }

  #ask(key: string, lookup: CredentialLookup, askedAt: number, source: string): Promise<KnownCredential | undefined> {
    const wasFound = this.#found.delete(key);
    this.#unknown.delete(key);
    const entries = wasFound ? this.#found : this.#unknown;
    const look = () => this.#store.findCredential(lookup).then(toKnown);
    const entry: Entry = { askedAt, known: wasFound ? look() : this.#slots.run(source, look), settled: undefined };
    entries.set(key, entry);
    entry.known.then(
      (known) => this.#keep(key, entry, known),
      // A failure is no answer to be kept.
      () => {
        if (entries.get(key) === entry) entries.delete(key);
      },
    );
    return entry.known;
  }

  /** Puts an entry where it belongs by its answer, unless it was forgotten meanwhile. */
  #keep(key: string, entry: Entry, known: KnownCredential | undefined): void {
    entry.settled = known;
    const [to, from] = known === undefined ? [this.#unknown, this.#found] : [this.#found, this.#unknown];
    if (from.get(key) !== entry) return;
    from.delete(key);
    to.set(key, entry);
  }
}

/** A clock that was set back would otherwise keep an entry for longer. */
function isFresh({ askedAt }: Entry, now: number): boolean {
  const age = now - askedAt;
  return age >= 0 && age < CREDENTIAL_CACHE_MILLISECONDS;
}
