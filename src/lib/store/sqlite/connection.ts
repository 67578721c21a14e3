import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { LONG_REQUEST_BYTES } from "../../base/event-loop.ts";
import { type Clock, stopwatch } from "../../model/clock.ts";
import { type AgentCommunicationError, isAgentCommunicationError } from "../../model/errors.ts";
import { type CallContext, charged, currentCall } from "../../trace/call-context.ts";
import type { FaultListener } from "../../trace/store-faults.ts";
import { DeliverableListeners } from "../deliverable-listeners.ts";
import { storeClosed } from "../refusals.ts";
import type { StoreSettings } from "../store.ts";
import { makeFile, switchToWal } from "./database-file.ts";
import { BUSY, fileIsLost, sqliteCode, storeError } from "./faults.ts";
import { FileWatch } from "./file-watch.ts";
import { GROUP_MAX, type Operation, runInTime, settle, takeGroup } from "./group.ts";
import { applyMigrations } from "./migrate.ts";
import { type Prepared, prepare } from "./prepared.ts";
import { Transaction } from "./transaction.ts";

/**
 * One SQLite file, one connection, and group commit: calls made in the same turn of the event loop share one
 * transaction and one fsync, and each is answered only after that commit. https://www.sqlite.org/wal.html
 */

/** Turns of the event loop that a group may go on growing for. */
const TURNS_MAX = 32;
/** How long BEGIN waits inside SQLite for another process's transaction, and how often we then ask again, growing. */
const BUSY_TIMEOUT_MILLISECONDS = 20;
const BUSY_BUDGET_MILLISECONDS = 5_000;
/** A WAL of 4,000 pages (16 MiB) between checkpoints: each costs an fsync of the main file, 1,000 pages cost 4 times as many. */
const CHECKPOINT_PAGES = 4_000;
/** What a large transaction has made the log grow to is given back at the next checkpoint. */
const LOG_MAX_BYTES = 64 * 1_024 * 1_024;
const CACHE_KIBIBYTES = 64 * 1_024;

/** How to open the embedded store. */
export interface SqliteStoreOptions {
  /** Path of the database file, made with its folder when missing. */
  file: string;
  settings: StoreSettings;
  clock: Clock;
  /** Told once when the file was deleted or replaced while it is open; must not throw. */
  onFault?: FaultListener | undefined;
  /**
   * False: commits do not wait for the disk, and an end of the machine (not of the process) can lose or break them. For simulations that
   * make thousands of files and keep none; no setting leads here.
   */
  syncs?: boolean | undefined;
}

/** The connection of a process to its database file. */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #prepared = new Map<string, Prepared>();
  readonly #transaction: Transaction;
  readonly #listeners = new DeliverableListeners();
  #queue: Operation[] = [];
  #scheduled = false;
  #lastGroup = 0;
  #closed = false;
  #busySince: number | undefined;
  #idle: (() => void) | undefined;
  readonly #files: FileWatch;
  readonly #onFault: FaultListener | undefined;
  /** Set for good once the files are not the ones that were opened. */
  #lost: AgentCommunicationError | undefined;
  /** Time since the last commit; undefined when there was none, or something failed after it. */
  #sinceCommit: (() => number) | undefined;

  /** Opens or creates the file and brings its schema up to date. @throws whatever SQLite says of a file it cannot use */
  constructor({ file, settings, clock, onFault, syncs = true }: SqliteStoreOptions) {
    if (file !== ":memory:") makeFile(file);
    this.#clock = clock;
    this.#database = new DatabaseSync(file, { timeout: BUSY_BUDGET_MILLISECONDS });
    try {
      switchToWal(this.#database);
      this.#database.exec(`PRAGMA synchronous = ${syncs ? "FULL" : "OFF"}`);
      this.#database.exec(`PRAGMA cache_size = -${CACHE_KIBIBYTES}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      this.#database.exec(`PRAGMA journal_size_limit = ${LOG_MAX_BYTES}`);
      applyMigrations(this.#database, clock);
      this.#database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MILLISECONDS}`);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#files = new FileWatch(file);
    this.#onFault = onFault;
    this.#transaction = new Transaction((sql) => this.#prepare(sql), settings, clock);
  }

  /**
   * Runs a transition in the next group. Its refusal leaves the others of the group alone.
   *
   * @param long whether it is known to take long: of these a group has one
   */
  write<T>(run: (transaction: Transaction) => T, long = false): Promise<T> {
    return this.#writeFor(currentCall(), run, long);
  }

  #writeFor<T>(call: CallContext, run: (transaction: Transaction) => T, long: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(storeClosed());
      if (this.#lost !== undefined) return reject(this.#lost);
      const isLong = long || (call.bytes ?? 0) >= LONG_REQUEST_BYTES;
      // The queue holds operations of many result types; each resolves only the promise made here, with its own value.
      this.#queue.push({ call, long: isLong, run, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Reads one snapshot of the committed state, at once: nothing of this process is uncommitted between two turns. */
  async read<T>(run: (transaction: Transaction) => T): Promise<T> {
    if (this.#closed) throw storeClosed();
    const lost = this.#findLoss();
    if (lost !== undefined) throw lost;
    try {
      // Several statements, one snapshot: another process may commit in between.
      this.#endTransaction();
      this.#exec("BEGIN");
      const value = charged(() => this.#transaction.reading(run));
      this.#exec("COMMIT");
      return value;
    } catch (error) {
      this.#endTransaction();
      throw storeError(error);
    }
  }

  /** Looks at once whether the files are still the ones that were opened; otherwise every commit does, ten times a second. */
  lookAtFiles(): void {
    this.#findLoss(true);
  }

  /** Whether the disk has room for the largest call. */
  hasRoom(): boolean {
    return this.#files.hasRoom();
  }

  /** Whether a commit has just succeeded, and nothing has failed since. @param milliseconds how long ago it may have been */
  hasCommittedWithin(milliseconds: number): boolean {
    return this.#sinceCommit !== undefined && this.#sinceCommit() < milliseconds;
  }

  #findLoss(now = false): AgentCommunicationError | undefined {
    if (this.#lost !== undefined) return this.#lost;
    const path = this.#files.findLost(now);
    if (path === undefined) return undefined;
    this.#lost = fileIsLost(path);
    this.#onFault?.(this.#lost.cause, "file");
    return this.#lost;
  }

  onDeliverable(listener: (agentId: string) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Finishes what is queued, then closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#queue.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#database.close();
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const prepared = prepare(this.#database, sql);
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #exec(sql: string, ...parameters: SQLInputValue[]): void {
    this.#prepare(sql).statement.run(...parameters);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#flushWhenQuiet(0, 0);
  }

  /**
   * Flushes after the first turn of the event loop that brought no new call: what comes in together, or while others are
   * read, shares a commit. A lone call after a lone call does not wait for others.
   */
  #flushWhenQuiet(seen: number, turns: number): void {
    setImmediate(() => {
      const queued = this.#queue.length;
      const alone = queued === 1 && this.#lastGroup <= 1;
      if (!alone && queued > seen && queued < GROUP_MAX && turns < TURNS_MAX)
        return this.#flushWhenQuiet(queued, turns + 1);
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { group, left } = takeGroup(this.#queue);
    this.#queue = left;
    this.#lastGroup = group.length;
    const lost = group.length > 0 ? this.#findLoss() : undefined;
    if (lost !== undefined) {
      for (const operation of group) operation.reject(lost);
    } else if (group.length > 0) {
      if (!this.#begin(group)) return;
      if (!this.#runGroup(group)) for (const operation of group) this.#runAlone(operation);
    }
    if (this.#queue.length > 0) this.#schedule();
    else this.#idle?.();
  }

  /** BEGIN IMMEDIATE takes the write lock, so nothing later in the transaction can fail for want of it. */
  #begin(group: Operation[]): boolean {
    try {
      this.#endTransaction();
      this.#exec("BEGIN IMMEDIATE");
      this.#busySince = undefined;
      return true;
    } catch (error) {
      this.#retryLater(group, error);
      return false;
    }
  }

  #retryLater(group: Operation[], error: unknown): void {
    const now = this.#clock.monotonic();
    this.#busySince ??= now;
    const waited = now - this.#busySince;
    if (sqliteCode(error) === BUSY && waited < BUSY_BUDGET_MILLISECONDS) {
      this.#queue.unshift(...group);
      this.#scheduled = true;
      void this.#clock.sleep(5 + waited / 10).then(() => {
        this.#scheduled = false;
        this.#flush();
      });
      return;
    }
    this.#busySince = undefined;
    this.#sinceCommit = undefined;
    for (const operation of group) operation.reject(storeError(error));
    if (this.#queue.length > 0) this.#schedule();
    else this.#idle?.();
  }

  /**
   * Runs as many of the group as its time allows, and puts the others back.
   *
   * @returns false when the group was rolled back because one of it failed after writing, or the commit itself failed
   */
  #runGroup(group: Operation[]): boolean {
    const transaction = this.#transaction;
    transaction.begin();
    let ran = group;
    try {
      ran = runInTime(transaction, group);
      transaction.flush();
      this.#exec("COMMIT");
      this.#sinceCommit = stopwatch();
    } catch (error) {
      this.#sinceCommit = undefined;
      this.#rollback();
      if (group.length > 1) return false;
      group[0]?.reject(isAgentCommunicationError(error) ? error : storeError(error));
      return true;
    }
    const deliverable = transaction.takeDeliverable();
    this.#queue.unshift(...group.slice(ran.length));
    for (const operation of ran) this.#settle(operation);
    for (const agentId of deliverable) this.#listeners.notify(agentId);
    return true;
  }

  /** Answers the caller once everything that follows is done. What fails of that is left to the sweep: the transition itself is committed. */
  #settle(operation: Operation): void {
    const { followUps = [] } = operation;
    if (followUps.length === 0) {
      settle(operation);
      return;
    }
    const followed = followUps.map((followUp) => this.#writeFor(operation.call, followUp, false));
    void Promise.allSettled(followed).then(() => settle(operation));
  }

  #runAlone(operation: Operation): void {
    if (this.#begin([operation])) this.#runGroup([operation]);
  }

  #rollback(): void {
    this.#endTransaction();
    this.#transaction.forgetAgents();
  }

  /** Ends what an error has left open; the caller is told of that error. SQLite has already rolled back by itself after some (full disk, I/O). */
  #endTransaction(): void {
    try {
      if (this.#database.isTransaction) this.#exec("ROLLBACK");
    } catch {
      // A file that is broken can refuse this as well; the next BEGIN says so.
    }
  }
}
