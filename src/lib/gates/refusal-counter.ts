import type { NewAuditEntry } from "../model/audit.ts";
import type { Clock } from "../model/clock.ts";
import { type ErrorCode, isAgentCommunicationError } from "../model/errors.ts";
import type { Store } from "../store/store.ts";
import { UNNAMED_ACTOR } from "../trace/call-context.ts";
import { outsideTrace } from "../trace/current-trace.ts";

/**
 * Refused requests, counted by caller, code and minute, and those with a credential that is not valid by source and credential, too: an entry for each request would let anybody fill the audit. What is
 * counted is in memory until its minute is over, so a process that is killed takes the last minute with it.
 */

const MINUTE_MILLISECONDS = 60_000;
/** Callers and codes that are counted apart; whatever else is refused then is counted together, as `*`. */
const COUNTS_MAX = 1_000;
/** Of these, sources and credentials of unknown callers: they must not crowd out the counts of agents. */
const STRANGERS_MAX = 500;
/** Credentials that are counted apart for one source: one that tries many shows up once more, without an id. */
const CREDENTIALS_PER_SOURCE_MAX = 20;

/** The codes that say that somebody wanted what it may not have. (A full mailbox or a lost lease is no such thing.) */
const COUNTED: ReadonlySet<string> = new Set<ErrorCode>([
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "CHANNEL_FORBIDDEN",
  "RATE_LIMITED",
]);

/** Whence a refused credential came, and which one it was: ids and addresses, never a secret. */
export interface RefusedCredential {
  source: string;
  /** Of a token or enrolment key of the right form, whether it is there or not. */
  credentialId: string | undefined;
}

interface Count {
  /** The time at which the minute began. */
  minute: number;
  actor: string;
  code: string;
  source?: string | undefined;
  credentialId?: string | undefined;
  count: number;
}

function keyOf({ minute, actor, code, source, credentialId }: Count): string {
  return `${minute} ${code} ${actor} ${source ?? ""} ${credentialId ?? ""}`;
}

/**
 * @example
 * const refusals = new RefusalCounter({ store, clock });
 * refusals.count(caller.agentId, "FORBIDDEN");
 * await refusals.close();
 */
export class RefusalCounter {
  readonly #store: Pick<Store, "recordAudit">;
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();
  /** How many of the counts are of sources. */
  #strangers = 0;
  /** How many of them, for each minute and source. */
  readonly #perSource = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: { store: Pick<Store, "recordAudit">; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Counts the error if it is such a refusal. @returns whether it is the first of its kind in this minute */
  countError(actor: string, error: unknown, credential?: RefusedCredential): boolean {
    const counts = isAgentCommunicationError(error) && COUNTED.has(error.code);
    return counts && this.count(actor, error.code, credential);
  }

  /**
   * Counts one refusal. Nothing waits for it: it is written when the minute is over.
   *
   * @returns whether it is the first that is counted under its caller, code, source and credential in this minute
   */
  count(actor: string, code: string, credential?: RefusedCredential): boolean {
    const minute = Math.floor(this.#clock.now() / MINUTE_MILLISECONDS) * MINUTE_MILLISECONDS;
    const isFirst = this.#add({ minute, actor, code, ...credential, count: 1 });
    this.#schedule();
    return isFirst;
  }

  /** Writes what has been counted so far, the minute that is not over included. Before the store is closed. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#write(Number.POSITIVE_INFINITY);
  }

  #add(count: Count): boolean {
    const counted = this.#placeOf(count);
    const known = this.#counts.get(keyOf(counted));
    if (known !== undefined) {
      known.count += count.count;
      return false;
    }
    this.#counts.set(keyOf(counted), { ...counted });
    if (counted.source === undefined) return true;
    this.#strangers += 1;
    const ofSource = `${counted.minute} ${counted.source}`;
    this.#perSource.set(ofSource, (this.#perSource.get(ofSource) ?? 0) + 1);
    return true;
  }

  /** The entry that it is counted under: its own while there is room for one. */
  #placeOf(count: Count): Count {
    if (this.#counts.has(keyOf(count))) return count;
    const { minute, code, source } = count;
    const together = { minute, code, actor: UNNAMED_ACTOR, count: count.count };
    if (source === undefined) return this.#counts.size < COUNTS_MAX ? count : together;
    if (this.#strangers >= STRANGERS_MAX) return together;
    const ofSource = this.#perSource.get(`${minute} ${source}`) ?? 0;
    return ofSource < CREDENTIALS_PER_SOURCE_MAX ? count : { ...together, source };
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#counts.size === 0) return;
    const wait = MINUTE_MILLISECONDS - (this.#clock.now() % MINUTE_MILLISECONDS);
    const write = () => {
      this.#cancel = undefined;
      void this.#write(this.#clock.now() - MINUTE_MILLISECONDS).then(() => this.#schedule());
    };
    // All who were refused in that minute: it belongs to no one's trace.
    this.#cancel = outsideTrace(() => this.#clock.after(wait, write));
  }

  /** Writes the counts of minutes that began at or before `until`; one such call after the other. */
  #write(until: number): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const taken = [...this.#counts].filter(([, { minute }]) => minute <= until);
      if (taken.length === 0) return;
      for (const [key] of taken) this.#counts.delete(key);
      this.#strangers = [...this.#counts.values()].filter(({ source }) => source !== undefined).length;
      for (const key of this.#perSource.keys()) if (Number.parseInt(key, 10) <= until) this.#perSource.delete(key);
      try {
        await this.#store.recordAudit(taken.map(([, count]) => entryOf(count)));
      } catch {
        // The store is away: they are kept, and written with a later minute.
        for (const [, count] of taken) this.#add(count);
      }
    });
    return this.#writing;
  }
}

function entryOf({ minute, actor, code, source, credentialId, count }: Count): NewAuditEntry {
  const of = { ...(source !== undefined && { source }), ...(credentialId !== undefined && { credentialId }) };
  const detail = { code, count, minute: new Date(minute).toISOString(), ...of };
  return { actor, action: "request.refused", subjectKind: "request", subjectId: code, detail };
}
