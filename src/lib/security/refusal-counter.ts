import type { Clock } from "../clock.ts";
import { type ErrorCode, isAgentCommunicationError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { outsideTrace } from "../telemetry/current-trace.ts";
import type { NewAuditEntry } from "./audit.ts";
import { UNNAMED_ACTOR } from "./call-context.ts";

/**
 * Refused requests, counted by caller, code and minute: an entry for each request would let anybody fill the audit. What is
 * counted is in memory until its minute is over, so a process that is killed takes the last minute with it.
 */

const MINUTE_MILLISECONDS = 60_000;
/** Callers and codes that are counted apart; whatever else is refused then is counted together, as `*`. */
const COUNTS_MAX = 1_000;

/** The codes that say that somebody wanted what it may not have. (A full mailbox or a lost lease is no such thing.) */
const COUNTED: ReadonlySet<string> = new Set<ErrorCode>([
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "CHANNEL_FORBIDDEN",
  "RATE_LIMITED",
]);

interface Count {
  /** The time at which the minute began. */
  minute: number;
  actor: string;
  code: string;
  count: number;
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
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: { store: Pick<Store, "recordAudit">; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Counts the error if it is such a refusal. */
  countError(actor: string, error: unknown): void {
    if (isAgentCommunicationError(error) && COUNTED.has(error.code)) this.count(actor, error.code);
  }

  /** Counts one refusal. Nothing waits for it: it is written when the minute is over. */
  count(actor: string, code: string): void {
    const minute = Math.floor(this.#clock.now() / MINUTE_MILLISECONDS) * MINUTE_MILLISECONDS;
    this.#add({ minute, actor, code, count: 1 });
    this.#schedule();
  }

  /** Writes what has been counted so far, the minute that is not over included. Before the store is closed. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#write(Number.POSITIVE_INFINITY);
  }

  #add({ minute, actor, code, count }: Count): void {
    const key = (who: string) => `${minute} ${code} ${who}`;
    const apart = this.#counts.has(key(actor)) || this.#counts.size < COUNTS_MAX;
    const counted = apart ? actor : UNNAMED_ACTOR;
    const known = this.#counts.get(key(counted));
    if (known === undefined) this.#counts.set(key(counted), { minute, actor: counted, code, count });
    else known.count += count;
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

function entryOf({ minute, actor, code, count }: Count): NewAuditEntry {
  const detail = { code, count, minute: new Date(minute).toISOString() };
  return { actor, action: "request.refused", subjectKind: "request", subjectId: code, detail };
}
