import { rowsOf } from "../../support/recount.ts";

/** What the server has answered, and whether the file keeps to it. */

interface Lease {
  agentId: string;
  attempt: number;
  claimId: string;
  /** Milliseconds since the epoch. */
  until: number;
  leasedAt: number;
}

const asNumber = (value: unknown) => (typeof value === "number" ? value : Number.NaN);

/** What a database holds, as the ledger compares it. */
export interface Holdings {
  /** With the payload's JSON text. */
  messages: Map<string, { status: string; attempt: number; until: number | null; payload: string }>;
  tasks: Map<string, { status: string; attempt: number }>;
  /** Tasks whose current attempt has no assignment message. */
  assignedAlone: string[];
  /** Input tokens of each attempt, by `id#attempt`. */
  usage: Map<string, number>;
  endedTasks: number;
  results: number;
}

/** The holdings of a SQLite file; for a moment when no process has it open. */
export function holdingsOf(file: string): Holdings {
  const messages = rowsOf(
    file,
    "SELECT message_id, status, attempt, lease_expires_at AS until, payload FROM messages JOIN message_bodies USING (arrival)",
  );
  const tasks = rowsOf(file, "SELECT task_id, status, attempt FROM tasks");
  const alone = `SELECT task_id FROM tasks t WHERE attempt > 0 AND NOT EXISTS (SELECT 1 FROM message_bodies m
    WHERE m.task_no = t.task_no AND m.task_attempt = t.attempt AND m.type = 'task_assignment')`;
  const count = (sql: string) => asNumber(rowsOf(file, sql)[0]?.n);
  return {
    messages: new Map(
      messages.map((row) => [
        String(row.message_id),
        {
          status: String(row.status),
          attempt: asNumber(row.attempt),
          until: row.until === null ? null : asNumber(row.until),
          payload: String(row.payload),
        },
      ]),
    ),
    tasks: new Map(
      tasks.map((row) => [String(row.task_id), { status: String(row.status), attempt: asNumber(row.attempt) }]),
    ),
    assignedAlone: rowsOf(file, alone).map((row) => String(row.task_id)),
    usage: new Map(
      rowsOf(file, "SELECT task_id, u.attempt, input_tokens FROM task_usage u JOIN tasks USING (task_no)").map(
        (row) => [`${row.task_id}#${row.attempt}`, asNumber(row.input_tokens)],
      ),
    ),
    endedTasks: count("SELECT count(*) AS n FROM tasks WHERE ended_at IS NOT NULL"),
    results: count("SELECT count(*) AS n FROM message_bodies WHERE type = 'task_result'"),
  };
}

/** Everything that was acknowledged, kept by the test alone. */
export class Ledger {
  /** Accepted sends and the number in their payload. */
  readonly sent = new Map<string, number>();
  /** Messages of one batch, attempted or answered: all of them or none is in the file. */
  readonly batches: string[][] = [];
  readonly leases = new Map<string, Lease[]>();
  /** `id#attempt` of retries that were asked for: from then on the message may be delivered again. */
  readonly returned = new Set<string>();
  /** Completions that were answered, by message: the attempt that did it. */
  readonly completed = new Map<string, number>();
  readonly tasks = new Set<string>();
  readonly finishedTasks = new Map<string, number>();
  /** Input tokens of attempts, by `id#attempt`: the most that was asked for, and the most that was answered. */
  readonly usage = new Map<string, { asked: number; answered: number }>();
  /** What was wrong with an answer when it came. */
  readonly wrong: string[] = [];
  #attempts = new Map<string, number>();
  #taskAttempts = new Map<string, number>();

  noteLease(messageId: string, lease: Lease): void {
    const before = this.leases.get(messageId) ?? [];
    this.leases.set(messageId, before);
    const same = before.find(({ attempt }) => attempt === lease.attempt);
    if (same !== undefined) {
      // Only the repeat of the very claim may show it again.
      if (same.claimId !== lease.claimId || same.agentId !== lease.agentId) {
        this.wrong.push(`${messageId} attempt ${lease.attempt} was leased to two claims`);
      }
      return;
    }
    for (const earlier of before) {
      const early = earlier.attempt < lease.attempt && lease.leasedAt < earlier.until;
      if (early && !this.returned.has(`${messageId}#${earlier.attempt}`)) {
        this.wrong.push(`${messageId} attempt ${lease.attempt} was delivered while ${earlier.attempt} was leased`);
      }
    }
    if (this.completed.has(messageId)) this.wrong.push(`${messageId} was delivered after it was completed`);
    before.push(lease);
  }

  /**
   * Compares what a database holds with what was acknowledged; for a moment when nobody writes to it.
   *
   * @param killedAt when the server was killed: leases that ended before may have been taken back
   */
  audit(holdings: Holdings, killedAt: number): string[] {
    return [
      ...this.#auditMessages(holdings, killedAt),
      ...this.#auditTasks(holdings),
      ...this.#auditBatches(holdings),
      ...this.#auditUsage(holdings),
      ...this.wrong.splice(0),
    ];
  }

  #auditMessages({ messages: rows }: Holdings, killedAt: number): string[] {
    const problems: string[] = [];
    for (const [messageId, n] of this.sent) {
      const row = rows.get(messageId);
      if (row === undefined) problems.push(`${messageId} was accepted and is gone`);
      else if (!row.payload.includes(`"n":${n}`)) problems.push(`${messageId} has another payload`);
    }
    for (const [messageId, attempt] of this.completed) {
      const row = rows.get(messageId);
      if (row?.status !== "completed" || row.attempt !== attempt) {
        problems.push(`${messageId} was completed by ${attempt} and is ${row?.status} at ${row?.attempt}`);
      }
    }
    for (const [messageId, leases] of this.leases) {
      const row = rows.get(messageId);
      const last = leases.at(-1);
      if (last === undefined) continue;
      if (row === undefined) problems.push(`${messageId} was leased and is gone`);
      else if (row.attempt < last.attempt) {
        problems.push(`${messageId} was leased as ${last.attempt} and is back at ${row.attempt}`);
      } else if (
        row.status === "queued" &&
        last.until > killedAt &&
        !this.returned.has(`${messageId}#${last.attempt}`)
      ) {
        problems.push(`${messageId} is queued though ${last.attempt} is leased for ${last.until - killedAt} ms more`);
      }
    }
    for (const [messageId, row] of rows) {
      const before = this.#attempts.get(messageId) ?? 0;
      if (row.attempt < before) problems.push(`${messageId} went from attempt ${before} to ${row.attempt}`);
      this.#attempts.set(messageId, row.attempt);
    }
    return problems;
  }

  #auditTasks({ tasks: rows, assignedAlone, endedTasks, results }: Holdings): string[] {
    const problems: string[] = [];
    for (const taskId of this.tasks) if (!rows.has(taskId)) problems.push(`task ${taskId} was accepted and is gone`);
    for (const [taskId, attempt] of this.finishedTasks) {
      const row = rows.get(taskId);
      if (row?.status !== "completed" || row.attempt !== attempt) {
        problems.push(`task ${taskId} was completed by ${attempt} and is ${row?.status} at ${row?.attempt}`);
      }
    }
    for (const [taskId, row] of rows) {
      const before = this.#taskAttempts.get(taskId) ?? 0;
      if (row.attempt < before) problems.push(`task ${taskId} went back from attempt ${before}`);
      this.#taskAttempts.set(taskId, row.attempt);
    }
    // What follows from a transition was written with it: the assignment message, the result message.
    for (const taskId of assignedAlone) problems.push(`task ${taskId} was assigned without a message`);
    if (endedTasks !== results) problems.push(`${endedTasks} tasks have ended, ${results} results were sent`);
    return problems;
  }

  /** @param answered whether the service has said that it is booked */
  noteUsage(attempt: string, inputTokens: number, answered: boolean): void {
    const before = this.usage.get(attempt) ?? { asked: 0, answered: 0 };
    const asked = Math.max(before.asked, inputTokens);
    this.usage.set(attempt, { asked, answered: answered ? Math.max(before.answered, inputTokens) : before.answered });
  }

  /** A report that was answered is there, and nothing is there that was not asked for. */
  #auditUsage({ usage: rows }: Holdings): string[] {
    const problems: string[] = [];
    for (const [attempt, { asked, answered }] of this.usage) {
      const booked = rows.get(attempt) ?? 0;
      if (booked < answered || booked > asked) {
        problems.push(`${attempt} was asked to book ${asked}, answered ${answered}, and has ${booked}`);
      }
    }
    return problems;
  }

  #auditBatches({ messages: kept }: Holdings): string[] {
    return this.batches.flatMap((ids) => {
      const there = ids.filter((id) => kept.has(id)).length;
      return there === 0 || there === ids.length
        ? []
        : [`of the batch of ${ids[0]} ${there} of ${ids.length} are there`];
    });
  }
}
