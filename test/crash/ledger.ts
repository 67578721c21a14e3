import { rowsOf } from "../support/recount.ts";

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
  /** What was wrong with an answer when it came. */
  readonly wrong: string[] = [];
  #attempts = new Map<unknown, number>();
  #taskAttempts = new Map<unknown, number>();

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
   * Compares the file with what was acknowledged; for a moment when no process has it open.
   *
   * @param killedAt when the server was killed: leases that ended before may have been taken back
   */
  audit(file: string, killedAt: number): string[] {
    return [
      ...this.#auditMessages(file, killedAt),
      ...this.#auditTasks(file),
      ...this.#auditBatches(file),
      ...this.wrong.splice(0),
    ];
  }

  #auditMessages(file: string, killedAt: number): string[] {
    const sql = `SELECT message_id, status, attempt, lease_expires_at AS until, coalesce(m.payload, p.payload) AS payload
                 FROM messages m LEFT JOIN message_payloads p ON p.arrival = m.arrival`;
    const rows = new Map(rowsOf(file, sql).map((row) => [row.message_id, row]));
    const problems: string[] = [];
    for (const [messageId, n] of this.sent) {
      const row = rows.get(messageId);
      if (row === undefined) problems.push(`${messageId} was accepted and is gone`);
      else if (!String(row.payload).includes(`"n":${n}`)) problems.push(`${messageId} has another payload`);
    }
    for (const [messageId, attempt] of this.completed) {
      const row = rows.get(messageId);
      if (row?.status !== "completed" || row.attempt !== attempt) {
        problems.push(
          `${messageId} was completed by ${attempt} and is ${String(row?.status)} at ${String(row?.attempt)}`,
        );
      }
    }
    for (const [messageId, leases] of this.leases) {
      const row = rows.get(messageId);
      const last = leases.at(-1);
      if (last === undefined) continue;
      if (row === undefined) problems.push(`${messageId} was leased and is gone`);
      else if (asNumber(row.attempt) < last.attempt) {
        problems.push(`${messageId} was leased as ${last.attempt} and is back at ${String(row.attempt)}`);
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
      if (asNumber(row.attempt) < before)
        problems.push(`${String(messageId)} went from attempt ${before} to ${String(row.attempt)}`);
      this.#attempts.set(messageId, asNumber(row.attempt));
    }
    return problems;
  }

  #auditTasks(file: string): string[] {
    const rows = new Map(rowsOf(file, "SELECT task_id, status, attempt FROM tasks").map((row) => [row.task_id, row]));
    const problems: string[] = [];
    for (const taskId of this.tasks) if (!rows.has(taskId)) problems.push(`task ${taskId} was accepted and is gone`);
    for (const [taskId, attempt] of this.finishedTasks) {
      const row = rows.get(taskId);
      if (row?.status !== "completed" || row.attempt !== attempt) {
        problems.push(
          `task ${taskId} was completed by ${attempt} and is ${String(row?.status)} at ${String(row?.attempt)}`,
        );
      }
    }
    for (const [taskId, row] of rows) {
      const before = this.#taskAttempts.get(taskId) ?? 0;
      if (asNumber(row.attempt) < before) problems.push(`task ${String(taskId)} went back from attempt ${before}`);
      this.#taskAttempts.set(taskId, asNumber(row.attempt));
    }
    // What follows from a transition was written with it: the assignment message, the result message.
    const alone = `SELECT task_id FROM tasks t WHERE attempt > 0 AND NOT EXISTS (SELECT 1 FROM messages m
      WHERE m.task_no = t.task_no AND m.task_attempt = t.attempt AND m.type = 'task_assignment')`;
    for (const { task_id } of rowsOf(file, alone))
      problems.push(`task ${String(task_id)} was assigned without a message`);
    const ended = rowsOf(file, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NOT NULL")[0]?.n;
    const results = rowsOf(file, "SELECT count(*) AS n FROM messages WHERE type = 'task_result'")[0]?.n;
    if (ended !== results) problems.push(`${String(ended)} tasks have ended, ${String(results)} results were sent`);
    return problems;
  }

  #auditBatches(file: string): string[] {
    const kept = new Set(rowsOf(file, "SELECT message_id FROM messages").map((row) => row.message_id));
    return this.batches.flatMap((ids) => {
      const there = ids.filter((id) => kept.has(id)).length;
      return there === 0 || there === ids.length
        ? []
        : [`of the batch of ${ids[0]} ${there} of ${ids.length} are there`];
    });
  }
}
