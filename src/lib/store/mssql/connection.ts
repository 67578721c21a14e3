import mssql from "mssql";
import type { Clock } from "../../model/clock.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { DeliverableListeners } from "../deliverable-listeners.ts";
import { storeClosed } from "../refusals.ts";
import type { StoreSettings } from "../store.ts";
import { type Batch, BatchResult, bigint, type Input, type Inputs, type Row, text } from "./batch.ts";
import { Coalescer, type Encoded } from "./coalescer.ts";
import { isLoginFailure, isLostRace, isRefusal, isReleaseFault, isTransient, LostRace } from "./faults.ts";
import { parametersOf, type Slot } from "./procedure-files.ts";
import type { Procedure } from "./procedures.ts";
import { findRelease, releaseMissing } from "./releases.ts";
import { settingInputs } from "./setting-inputs.ts";
import { type SqlText, sqlText } from "./texts.ts";

/**
 * The pool of a process, and how batches go through it: concurrent calls of a verb share a batch while another one of that
 * verb is in flight; lost races, deadlocks, throttling and lost connections are tried again, with jitter, within a budget.
 */

/** How long one batch is tried, lost connections and fail-overs included, before its calls are STORE_UNAVAILABLE. */
const BUDGET_MILLISECONDS = 10_000;
/** The first wait after a transient fault; it doubles, up to the longest. */
const FIRST_WAIT_MILLISECONDS = 50;
const LONGEST_WAIT_MILLISECONDS = 2_000;
/** Lost races after which a batch of several calls is split: each then races only for its own rows. */
const RACES_BEFORE_SPLIT = 3;
/** A race is lost to a commit that took milliseconds, so the next try comes soon. */
const RACE_WAIT_MILLISECONDS = 2;
const LONGEST_RACE_WAIT_MILLISECONDS = 100;

/** What a procedure returns that has found another state than it had read, and has undone itself. */
const LOST_RACE = 1;
/** The column of recordsets that name agents to be woken from a long poll. */
const WOKEN = "woken";
/** Given to every procedure: steps of the upkeep take no calls, and some reads no time. */
const MAY_BE_IDLE = new Set(["items", "clockOffset"]);
/** Round trips in which the server's clock is read when a pool opens. */
const CLOCK_READINGS = 3;
/** How often a process says that its release is in use. */
const USED_MILLISECONDS = 3_600_000;

const SERVER_CLOCK = sqlText(
  "server-clock",
  "SELECT DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) AS now;\n",
);

export interface ConnectionOptions {
  /** Connects a pool that heeds errors of idle connections. Called again after it could not, so that rotated secrets are read. */
  openPool: () => Promise<mssql.ConnectionPool>;
  /** Asked when the login is refused: whether the next connections make it with another password. */
  renewLogin?: () => Promise<boolean>;
  /** Whether the pool outlives this connection, because others use it, too. */
  keepPool?: boolean;
  settings: StoreSettings;
  clock: Clock;
  /**
   * Told of every lost race and transient fault that is about to be tried again, and of every time that a key vault could not
   * say the password: for logs and tests. Must not throw.
   */
  onFault?: ((error: unknown, kind: "race" | "fault" | "secret") => void) | undefined;
}

/** The connection of a process to its database. */
export class Connection {
  readonly settings: StoreSettings;
  readonly clock: Clock;
  readonly #options: ConnectionOptions;
  readonly #settingInputs: Inputs;
  readonly #coalescers = new Map<string, Coalescer>();
  readonly #listeners = new DeliverableListeners();
  #pool: Promise<mssql.ConnectionPool> | undefined;
  #slot: Slot | undefined;
  /** By the monotonic clock; undefined: this process has not said yet that its release is in use. */
  #usedAt: number | undefined;
  /** Milliseconds. */
  #serverAhead = 0;
  #closed = false;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.#settingInputs = settingInputs(options.settings);
    this.clock = options.clock;
  }

  /** Sends the call in the next batch of its verb. Its refusal leaves the others of the batch alone. */
  run<Item, Answer>(batch: Batch<Item, Answer>, item: Item): Promise<Answer> {
    if (this.#closed) return Promise.reject(storeClosed());
    let coalescer = this.#coalescers.get(batch.name);
    if (coalescer === undefined) {
      coalescer = new Coalescer(batch, (calls) => this.#tracked(() => this.#runAll(batch, calls)));
      this.#coalescers.set(batch.name, coalescer);
    }
    return coalescer.add({ item, json: JSON.stringify(batch.encode(item)) });
  }

  /** One call that travels alone, and may be sent again; its recordsets in order. */
  async query(sql: Procedure | SqlText, inputs: Inputs = {}): Promise<BatchResult> {
    if (this.#closed) throw storeClosed();
    return this.#tracked(() => this.#retried(() => this.#execute(sql, inputs)));
  }

  /** The server's time, by this machine's clock and the difference seen when the pool was opened. */
  now(): number {
    return this.clock.now() + this.#serverAhead;
  }

  onDeliverable(listener: (agentId: string) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Finishes what is under way, then closes the pool. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const queued = [...this.#coalescers.values()].map((coalescer) => coalescer.drained());
    this.#closed = true;
    await Promise.all(queued);
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    const pool = await this.#pool?.catch(() => undefined);
    if (this.#options.keepPool !== true) await pool?.close();
  }

  async #tracked<T>(act: () => Promise<T>): Promise<T> {
    this.#inFlight += 1;
    try {
      return await act();
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  /** Sends some calls as one batch; their outcomes in order. Several that keep failing together are sent one by one. */
  async #runAll<Item, Answer>(
    batch: Batch<Item, Answer>,
    calls: readonly Encoded<Item>[],
  ): Promise<PromiseSettledResult<Answer>[]> {
    try {
      return await this.#retried(() => this.#runOnce(batch, calls), calls.length > 1);
    } catch (error) {
      if (calls.length === 1) return [{ status: "rejected", reason: error }];
      if (error instanceof AgentCommunicationError) return calls.map(() => ({ status: "rejected", reason: error }));
    }
    const settled: PromiseSettledResult<Answer>[] = [];
    for (const call of calls) settled.push(...(await this.#runAll(batch, [call])));
    return settled;
  }

  async #runOnce<Item, Answer>(
    batch: Batch<Item, Answer>,
    calls: readonly Encoded<Item>[],
  ): Promise<PromiseSettledResult<Answer>[]> {
    const items = calls.map(({ item }) => item);
    // Each object gets its position as its first member.
    const numbered = calls.map(({ json }, position) => json.replace("{", `{"item":${position},`).replace(/,}$/, "}"));
    const given = typeof batch.inputs === "function" ? batch.inputs(items) : batch.inputs;
    const sql = typeof batch.sql === "function" ? batch.sql(items) : batch.sql;
    const result = await this.#execute(sql, { ...given, items: text(`[${numbered.join()}]`) });
    const settled: PromiseSettledResult<Answer>[] = [];
    for (const outcome of batch.decode(result, items)) {
      if ("refusal" in outcome) settled.push({ status: "rejected", reason: outcome.refusal });
      else {
        if (outcome.write !== undefined) await this.#execute(outcome.write.sql, outcome.write.inputs);
        settled.push({ status: "fulfilled", value: outcome.value });
      }
    }
    return settled;
  }

  /** @throws STORE_UNAVAILABLE past the budget; a lost race itself when `splits` and it was lost too often */
  async #retried<T>(act: () => Promise<T>, splits = false): Promise<T> {
    const end = this.clock.monotonic() + BUDGET_MILLISECONDS;
    for (let races = 0, faults = 0; ; ) {
      try {
        return await act();
      } catch (error) {
        if (isReleaseFault(error)) {
          // It may stand in another slot by the next call.
          this.#slot = undefined;
          throw releaseMissing([], error);
        }
        const renewed = isLoginFailure(error) && (await this.#renewLogin());
        if (isRefusal(error) && !renewed) throw refused(error);
        const race = isLostRace(error);
        if (!race && !renewed && !isTransient(error)) throw error;
        if (race && splits && races >= RACES_BEFORE_SPLIT) throw error;
        const wait = race
          ? jitter(Math.min(RACE_WAIT_MILLISECONDS * 2 ** races, LONGEST_RACE_WAIT_MILLISECONDS))
          : jitter(Math.min(FIRST_WAIT_MILLISECONDS * 2 ** faults, LONGEST_WAIT_MILLISECONDS));
        if (race) races += 1;
        else faults += 1;
        if (this.clock.monotonic() + wait >= end) throw unavailable(error);
        this.#options.onFault?.(error, race ? "race" : "fault");
        await this.clock.sleep(wait);
      }
    }
  }

  /** What is wrong with the vault is in the answers of those who need it first; here the refusal is told. */
  async #renewLogin(): Promise<boolean> {
    return (await this.#options.renewLogin?.().catch(() => false)) ?? false;
  }

  async #execute(sql: Procedure | SqlText, given: Inputs): Promise<BatchResult> {
    const pool = await this.#connected();
    const request = pool.request();
    const inputs = { ...given, clockOffset: bigint(this.clock.offset ?? 0) };
    if (typeof sql === "string") {
      for (const [name, { type, value }] of Object.entries(inputs)) request.input(name, type, value);
      const recordsets = readRecordsets((await request.query(sql)).recordsets);
      if (recordsets.at(-1)?.[0]?.lost_race !== undefined) throw new LostRace();
      return new BatchResult(recordsets);
    }
    for (const [name, { type, value }] of inputsOf(sql, this.#settingInputs, inputs)) request.input(name, type, value);
    const result = await request.execute(`${await this.#slotInUse(pool)}.${sql.procedure}`);
    if (result.returnValue === LOST_RACE) throw new LostRace();
    return new BatchResult(this.#wake(readRecordsets(result.recordsets)));
  }

  /** Tells who may be woken from a long poll. @returns the other recordsets */
  #wake(recordsets: RecordSet[]): RecordSet[] {
    for (const rows of recordsets) {
      if (WOKEN in rows.columns) for (const row of rows) this.#listeners.notify(String(row[WOKEN]));
    }
    return recordsets.filter((rows) => !(WOKEN in rows.columns));
  }

  /** Where the release of this process stands. Says once an hour that it is in use. */
  async #slotInUse(pool: mssql.ConnectionPool): Promise<Slot> {
    this.#slot ??= await findRelease(queryOf(pool));
    const slot = this.#slot;
    const now = this.clock.monotonic();
    if (this.#usedAt === undefined || now - this.#usedAt >= USED_MILLISECONDS) {
      this.#usedAt = now;
      const request = pool.request().input("clockOffset", mssql.BigInt, this.clock.offset ?? 0);
      await request.execute(`${slot}.use_release`);
    }
    return slot;
  }

  /** The pool, opened by the first call that needs it, and again after it could not be opened. */
  #connected(): Promise<mssql.ConnectionPool> {
    this.#pool ??= this.#open().catch((error) => {
      this.#pool = undefined;
      throw error;
    });
    return this.#pool;
  }

  async #open(): Promise<mssql.ConnectionPool> {
    const pool = await this.#options.openPool();
    try {
      this.#slot = undefined;
      await this.#slotInUse(pool);
      await this.#readClock(queryOf(pool));
      return pool;
    } catch (error) {
      if (this.#options.keepPool !== true) await pool.close();
      throw error;
    }
  }

  /** The difference of the clocks, by the quickest of some answers: half of its way is the least that can be wrong. */
  async #readClock(query: (sql: SqlText) => Promise<Row[][]>): Promise<void> {
    let shortest = Number.POSITIVE_INFINITY;
    for (let reading = 0; reading < CLOCK_READINGS; reading += 1) {
      const asked = this.clock.now();
      const [[row] = []] = await query(SERVER_CLOCK);
      const answered = this.clock.now();
      if (answered - asked >= shortest) continue;
      shortest = answered - asked;
      this.#serverAhead = Math.round(Number(row?.now) + (this.clock.offset ?? 0) - (asked + answered) / 2);
    }
  }
}

/**
 * What a procedure is given: exactly what it takes.
 *
 * @throws Error when one of its parameters has no value, or a value no parameter
 */
function inputsOf({ procedure }: Procedure, settings: Inputs, given: Inputs): [string, Input][] {
  const parameters = parametersOf(procedure);
  const idle = Object.keys(given).filter((name) => !MAY_BE_IDLE.has(name) && !parameters.includes(name));
  if (idle.length > 0) throw new Error(`${procedure} takes no ${idle.join(", ")}`);
  return parameters.map((name) => {
    const input = given[name] ?? settings[name];
    if (input === undefined) throw new Error(`${procedure} is given no ${name}`);
    return [name, input];
  });
}

function queryOf(pool: mssql.ConnectionPool): (sql: SqlText) => Promise<Row[][]> {
  return async (sql) => readRecordsets((await pool.request().query(sql)).recordsets);
}

/** Half of the wait for sure, the other half by chance, so that those who failed together do not meet again. */
function jitter(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random() / 2);
}

type RecordSet = mssql.IRecordSet<Row>;

/** The driver gives bigint as text; ours all fit a double (arrival numbers: 2^53 / 4096 transactions). */
function readRecordsets(recordsets: unknown): RecordSet[] {
  const sets = Array.isArray(recordsets) ? (recordsets as RecordSet[]) : [];
  for (const rows of sets) {
    const columns = Object.values(rows.columns).filter(isBigInt);
    for (const { name } of columns) {
      for (const row of rows) if (row[name] !== null) row[name] = Number(row[name]);
    }
  }
  return sets;
}

function isBigInt(column: { type: unknown }): boolean {
  return column.type === mssql.BigInt;
}

function unavailable(cause: unknown): AgentCommunicationError {
  return new AgentCommunicationError("STORE_UNAVAILABLE", "The database cannot be used now; try again.", {
    retryAfterSeconds: 2,
    cause,
  });
}

function refused(cause: unknown): AgentCommunicationError {
  const detail = "The database refuses this process; its log says why.";
  return new AgentCommunicationError("STORE_UNAVAILABLE", detail, { retryAfterSeconds: 30, cause });
}
