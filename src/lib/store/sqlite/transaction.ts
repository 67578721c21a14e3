import type { SQLInputValue } from "node:sqlite";
import type { Clock } from "../../model/clock.ts";
import { type CallContext, currentCall } from "../../trace/call-context.ts";
import type { CounterName } from "../rules/counter-names.ts";
import type { StoreSettings } from "../store.ts";
import type { AgentRow } from "./agent-rows.ts";
import { MailboxSums } from "./mailbox-sums.ts";
import { type Prepared, rowOf } from "./prepared.ts";

/** Agents kept in memory at most; beyond it the cache starts anew (a row is about 400 bytes, so 8 MB). */
const CACHED_AGENTS_MAX = 20_000;

export type FollowUp = (transaction: Transaction) => void;

/**
 * What a transition works with: statements, the time, and the sums that a group of transitions writes once, at its end.
 * A transition refuses before its first write, or the whole group is undone and run one by one.
 */
export class Transaction {
  readonly settings: StoreSettings;
  /** Milliseconds since the epoch, fixed for one transition. */
  now = 0;
  /** On whose behalf the current transition runs: as it was when the verb was called, for a group runs later. */
  call: CallContext = currentCall();
  /** Whether the current transition has written. */
  dirty = false;
  /** What goes on with the current transition after its commit, each in a transaction of its own; its caller is answered then. */
  #followUps: FollowUp[] = [];
  /** Numbers of the demands that the current transition has looked up: the tasks of a workflow mostly share one. */
  readonly demandNos = new Map<string, number>();
  /** What is kept of mailboxes beside their messages. */
  readonly mailboxes = new MailboxSums(this);
  readonly #prepare: (sql: string) => Prepared;
  readonly #clock: Clock;
  readonly #counters = new Map<CounterName, number>();
  readonly #deliverable = new Set<string>();
  readonly #deliverableNos = new Set<number>();
  /**
   * Rows of agents as this connection last saw them: every send and settlement needs two, which costs more than a third
   * of its statements. Valid while no other process has written (PRAGMA data_version, asked in every transaction) and
   * nothing was rolled back; every write to the table goes through `runOnAgent` or empties the cache.
   */
  readonly #agents = new Map<string, AgentRow>();
  readonly #agentIds = new Map<number, string>();
  #dataVersion = -1;

  constructor(prepare: (sql: string) => Prepared, settings: StoreSettings, clock: Clock) {
    this.#prepare = prepare;
    this.settings = settings;
    this.#clock = clock;
  }

  begin(): void {
    this.#counters.clear();
    this.mailboxes.begin();
    this.#deliverable.clear();
    this.#deliverableNos.clear();
    const version = this.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? -1;
    if (version !== this.#dataVersion) this.forgetAgents();
    this.#dataVersion = version;
  }

  /** Empties the cache: after a rollback, or a write by another process. */
  forgetAgents(): void {
    this.#agents.clear();
    this.#agentIds.clear();
  }

  /** The cached row, to be changed only through changeAgent. */
  cachedAgent(agentId: string): AgentRow | undefined {
    return this.#agents.get(agentId);
  }

  /** As `cachedAgent`, by number. */
  cachedAgentByNo(agentNo: number): AgentRow | undefined {
    const agentId = this.#agentIds.get(agentNo);
    return agentId === undefined ? undefined : this.#agents.get(agentId);
  }

  cacheAgent(agent: AgentRow): AgentRow {
    if (this.#agents.size >= CACHED_AGENTS_MAX) this.forgetAgents();
    this.#agents.set(agent.agent_id, agent);
    this.#agentIds.set(agent.agent_no, agent.agent_id);
    return agent;
  }

  beginOperation(call: CallContext): void {
    this.dirty = false;
    this.#followUps = [];
    this.demandNos.clear();
    this.call = call;
    this.now = this.#clock.now();
  }

  /**
   * Goes on after the commit, in another group, so that other calls get their turn in between. What it does must be what the sweep would
   * do as well: the process may end before it.
   */
  goOn(followUp: FollowUp): void {
    this.#followUps.push(followUp);
  }

  takeFollowUps(): FollowUp[] {
    return this.#followUps;
  }

  /** Runs a read of the committed state. */
  reading<T>(run: (transaction: Transaction) => T): T {
    this.begin();
    this.beginOperation(currentCall());
    return run(this);
  }

  /**
   * The first row, if any. The row type is the caller's word for the column list in `sql`: tables are STRICT and the
   * text is a constant beside the type, so a parse of every row would only cost (measured: 2 µs of a 10 µs claim).
   */
  get<Row>(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    const prepared = this.#prepare(sql);
    if (prepared.writes) this.dirty = true;
    return rowOf(prepared.columns, prepared.statement.get(...parameters)) as Row | undefined;
  }

  /** Every row; see `get` for the row type. */
  all<Row>(sql: string, ...parameters: SQLInputValue[]): Row[] {
    const prepared = this.#prepare(sql);
    if (prepared.writes) this.dirty = true;
    const rows: unknown[] = prepared.statement.all(...parameters);
    for (let place = 0; place < rows.length; place += 1) rows[place] = rowOf(prepared.columns, rows[place]);
    return rows as Row[];
  }

  /** As `all`, of a statement that only reads, row by row: rows that are not asked for are not read. */
  *each<Row>(sql: string, ...parameters: SQLInputValue[]): Iterable<Row> {
    const { statement, columns } = this.#prepare(sql);
    for (const row of statement.iterate(...parameters)) yield rowOf(columns, row) as Row;
  }

  /** Writes. @returns rows changed, and the rowid of an insert */
  run(sql: string, ...parameters: SQLInputValue[]): { changes: number; lastInsertRowid: number } {
    this.dirty = true;
    const prepared = this.#prepare(sql);
    if (prepared.changesAgents) this.forgetAgents();
    const result = prepared.statement.run(...parameters);
    return { changes: Number(result.changes), lastInsertRowid: Number(result.lastInsertRowid) };
  }

  /** Writes to the row of one agent whose cached row the caller changes in the same way. */
  runOnAgent(sql: string, ...parameters: SQLInputValue[]): void {
    this.dirty = true;
    this.#prepare(sql).statement.run(...parameters);
  }

  /** Adds to a counter, at the end of the group. */
  count(name: CounterName, delta: number): void {
    this.dirty = true;
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + delta);
  }

  /** Notes one accepted message for the rate of the last minute: a counter per second, which the sweep drops. */
  countAccepted(): void {
    this.count(`accepted:${Math.floor(this.now / 1_000)}`, 1);
  }

  /** Tells those who wait in a long poll, after the commit. */
  deliverable(agentId: string): void {
    this.#deliverable.add(agentId);
  }

  /** As `deliverable`, for a caller that has only the number: the id is looked up once, at the end of the group. */
  deliverableNo(agentNo: number): void {
    this.#deliverableNos.add(agentNo);
  }

  takeDeliverable(): string[] {
    const agentIds = [...this.#deliverable];
    this.#deliverable.clear();
    return agentIds;
  }

  /** Writes the sums of the group. */
  flush(): void {
    for (const agentNo of this.#deliverableNos) {
      const sql = "SELECT agent_id FROM agents WHERE agent_no = ?";
      const agent = this.cachedAgentByNo(agentNo) ?? this.get<{ agent_id: string }>(sql, agentNo);
      if (agent !== undefined) this.#deliverable.add(agent.agent_id);
    }
    for (const [name, delta] of this.#counters) {
      if (delta !== 0) {
        this.run(
          "INSERT INTO counters VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
          name,
          delta,
        );
      }
    }
    this.mailboxes.flush();
  }
}
