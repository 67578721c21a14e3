import type { SQLInputValue } from "node:sqlite";
import type { Clock } from "../../model/clock.ts";
import { type CallContext, currentCall } from "../../trace/call-context.ts";
import type { CounterName } from "../rules/counter-names.ts";
import type { StoreSettings } from "../store.ts";
import type { AgentRow } from "./agent-rows.ts";
import type { Prepared } from "./connection.ts";

/** Agents kept in memory at most; beyond it the cache starts anew (a row is about 400 bytes, so 8 MB). */
const CACHED_AGENTS_MAX = 20_000;

/** What a group adds to a mailbox; `stored` is read only when somebody asks for the depth. */
interface MailboxDelta {
  stored: number | undefined;
  added: number;
}

const MAILBOX = "SELECT depth FROM mailboxes WHERE agent_no = ?";
const ADD_TO_MAILBOX = "INSERT INTO mailboxes VALUES (?, ?) ON CONFLICT DO UPDATE SET depth = depth + excluded.depth";
const TAKE_FROM_MAILBOX = "UPDATE mailboxes SET depth = depth + ? WHERE agent_no = ?";

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
  readonly #prepare: (sql: string) => Prepared;
  readonly #clock: Clock;
  readonly #counters = new Map<CounterName, number>();
  readonly #depths = new Map<number, MailboxDelta>();
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
    this.#depths.clear();
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
    this.call = call;
    this.now = this.#clock.now();
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
    return prepared.statement.get(...parameters) as Row | undefined;
  }

  /** Every row; see `get` for the row type. */
  all<Row>(sql: string, ...parameters: SQLInputValue[]): Row[] {
    const prepared = this.#prepare(sql);
    if (prepared.writes) this.dirty = true;
    return prepared.statement.all(...parameters) as Row[];
  }

  /** As `all`, of a statement that only reads, row by row: rows that are not asked for are not read. */
  each<Row>(sql: string, ...parameters: SQLInputValue[]): Iterable<Row> {
    return this.#prepare(sql).statement.iterate(...parameters) as Iterable<Row>;
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

  /** Queued and leased messages of a mailbox, with what this group has added so far. */
  mailboxDepth(agentNo: number): number {
    const depth = this.#depth(agentNo);
    depth.stored ??= this.get<{ depth: number }>(MAILBOX, agentNo)?.depth ?? 0;
    return depth.stored + depth.added;
  }

  /** Adds to the depth of a mailbox, at the end of the group. */
  addToMailbox(agentNo: number, delta: number): void {
    this.dirty = true;
    this.#depth(agentNo).added += delta;
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
    for (const [agentNo, { added }] of this.#depths) {
      // A mailbox without a row is empty, so nothing can be taken from it.
      if (added > 0) this.run(ADD_TO_MAILBOX, agentNo, added);
      else if (added < 0) this.run(TAKE_FROM_MAILBOX, added, agentNo);
    }
  }

  #depth(agentNo: number): MailboxDelta {
    let depth = this.#depths.get(agentNo);
    if (depth === undefined) {
      depth = { stored: undefined, added: 0 };
      this.#depths.set(agentNo, depth);
    }
    return depth;
  }
}
