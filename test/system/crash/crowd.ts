import { z } from "zod";
import type { Random } from "../../support/random.ts";
import type { Ledger } from "./ledger.ts";

/** Concurrent clients that go on whatever happens to the server: a call whose answer was lost is made again, unchanged. */

export const SUPERVISOR = "boss";
export const WORKERS: readonly string[] = ["worker-1", "worker-2", "worker-3", "worker-4"];
export const AGENTS: readonly string[] = [SUPERVISOR, ...WORKERS];

/** Who the clients act for. */
export interface Cast {
  supervisors: readonly string[];
  workers: readonly string[];
}
const SMALL_CAST: Cast = { supervisors: [SUPERVISOR], workers: WORKERS };
/** Longer than a restart takes, so that many leases outlive one; short, so that the end of the test can wait for them. */
const LONG_LEASE_SECONDS = 5;
const SHORT_LEASE_SECONDS = 1;
/** Input tokens that every completion reports at least, and reports before it do not reach. */
const FINAL_TOKENS = 50;
/** A call is tried over so many servers at most. */
const MAX_TRIES = 60;
const CALL_MILLISECONDS = 15_000;
export const PATIENT_MILLISECONDS = 200_000;

export interface Answer {
  status: number;
  body: unknown;
}

/** Where the server is now; clients wait at the gate while there is none. */
export class Gate {
  #baseUrl: string | undefined;
  #open = Promise.withResolvers<void>();
  /** False once the test is over. */
  running = true;

  open(baseUrl: string): void {
    this.#baseUrl = baseUrl;
    this.#open.resolve();
  }

  close(): void {
    this.#baseUrl = undefined;
    this.#open = Promise.withResolvers<void>();
  }

  async baseUrl(): Promise<string> {
    await this.#open.promise;
    return this.#baseUrl ?? (await this.baseUrl());
  }
}

const sendReply = z.object({ messageId: z.string(), duplicate: z.boolean() });
const batchReply = z.object({ results: z.array(sendReply) });
const leased = z.object({
  messageId: z.string(),
  type: z.string(),
  attempt: z.int(),
  leaseExpiresAt: z.iso.datetime(),
});
const receiveReply = z.object({ messages: z.array(leased) });
const settleReply = z.object({ results: z.array(z.object({ messageId: z.string(), status: z.string() })) });
const heartbeatReply = z.object({ tasks: z.array(z.object({ taskId: z.string(), attempt: z.int() })) });
type Leased = z.infer<typeof leased>;

/** One request, with a time limit. @throws TypeError when the connection was refused or lost */
export async function request(
  baseUrl: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  milliseconds = CALL_MILLISECONDS,
): Promise<Answer> {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    signal: AbortSignal.timeout(milliseconds),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

/** One client: one call after the other, on behalf of any agent. */
export class Client {
  readonly #gate: Gate;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #name: string;
  readonly #cast: Cast;
  readonly #everybody: readonly string[];
  readonly #patient: boolean;
  #count = 0;
  calls = 0;
  /** Calls that had to be made again because their answer was lost. */
  repeated = 0;

  /** @param parts.patient whether a server may be slow, and say 503: then a call is made again, as our own client makes it */
  constructor(parts: { gate: Gate; ledger: Ledger; random: Random; name: string; cast?: Cast; patient?: boolean }) {
    this.#gate = parts.gate;
    this.#ledger = parts.ledger;
    this.#random = parts.random;
    this.#name = parts.name;
    this.#cast = parts.cast ?? SMALL_CAST;
    this.#patient = parts.patient ?? false;
    this.#everybody = [...this.#cast.supervisors, ...this.#cast.workers];
  }

  /** Works until the gate says that the test is over. */
  async run(maxCalls: number): Promise<void> {
    while (this.#gate.running && this.calls < maxCalls) {
      const dice = this.#random.next();
      if (dice < 0.3) await this.#send();
      else if (dice < 0.4) await this.#sendBatch();
      else if (dice < 0.7) await this.#receive();
      else if (dice < 0.85) await this.#work();
      else await this.#assign();
    }
  }

  async #call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    this.calls += 1;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const baseUrl = await this.#gate.baseUrl();
      if (!this.#gate.running) break;
      try {
        const limit = this.#patient ? PATIENT_MILLISECONDS : CALL_MILLISECONDS;
        const answer = await request(baseUrl, method, path, body, headers, limit);
        if (answer.status === 503 && this.#patient) {
          this.repeated += 1;
          continue;
        }
        if (answer.status >= 500) this.#wrong(`${method} ${path}`, answer);
        return answer;
      } catch (error) {
        // A time-out is no lost connection: the server was there and did not answer.
        if (error instanceof Error && error.name === "TimeoutError") this.#ledger.wrong.push(`${method} ${path} hangs`);
        this.repeated += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    return { status: 0, body: undefined };
  }

  #wrong(what: string, answer: Answer): void {
    if (answer.status === 0) return;
    this.#ledger.wrong.push(`${what} was answered ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`);
  }

  #fresh(kind: string): string {
    this.#count += 1;
    return `${kind}-${this.#name}-${this.#count}`;
  }

  #message(n: number) {
    return {
      sender: this.#random.pick(this.#everybody),
      receiver: this.#random.pick(this.#everybody),
      type: "notification",
      priority: this.#random.pick(["low", "normal", "high", "urgent"]),
      // Some are large enough to be kept in a table of their own.
      payload: { n, text: "x".repeat(this.#random.chance(0.1) ? 5_000 : 100) },
      maxAttempts: 100,
      ...(this.#random.chance(0.2) ? { orderingKey: this.#random.pick(["a", "b"]) } : {}),
    };
  }

  async #send(): Promise<void> {
    const n = this.#count;
    const messageId = this.#fresh("message");
    const message = this.#message(n);
    const keyed = this.#random.chance(0.5);
    const answer = keyed
      ? await this.#call("POST", "/messages", message, { "idempotency-key": messageId })
      : await this.#call("POST", "/messages", { ...message, messageId });
    if (answer.status !== 202) return this.#wrong("a send", answer);
    const reply = sendReply.parse(answer.body);
    if (!keyed && reply.messageId !== messageId) this.#wrong("a send with an id", answer);
    if (this.#ledger.sent.has(reply.messageId)) this.#wrong("a send with the id of another", answer);
    this.#ledger.sent.set(reply.messageId, n);
  }

  async #sendBatch(): Promise<void> {
    const n = this.#count;
    const messages = Array.from({ length: this.#random.between(2, 10) }, () => {
      return { ...this.#message(n), messageId: this.#fresh("batch") };
    });
    this.#ledger.batches.push(messages.map(({ messageId }) => messageId));
    const answer = await this.#call("POST", "/messages/batch", { messages });
    if (answer.status !== 202) return this.#wrong("a batch", answer);
    for (const { messageId } of batchReply.parse(answer.body).results) this.#ledger.sent.set(messageId, n);
  }

  async #receive(): Promise<void> {
    const agentId = this.#random.pick(this.#everybody);
    const leaseSeconds = this.#random.chance(0.3) ? SHORT_LEASE_SECONDS : LONG_LEASE_SECONDS;
    const claimId = this.#fresh("claim");
    const waitSeconds = this.#random.chance(0.2) ? 1 : 0;
    const claim = { maxMessages: this.#random.between(1, 8), leaseSeconds, waitSeconds, claimId };
    const answer = await this.#call("POST", `/agents/${agentId}/messages/receive`, claim);
    if (answer.status !== 200) return this.#wrong("a receive", answer);
    const { messages } = receiveReply.parse(answer.body);
    for (const { messageId, attempt, leaseExpiresAt } of messages) {
      const until = Date.parse(leaseExpiresAt);
      this.#ledger.noteLease(messageId, { agentId, attempt, claimId, until, leasedAt: until - leaseSeconds * 1_000 });
    }
    // Some are left to the end of their lease.
    const settled = messages.filter(() => this.#random.chance(0.85));
    if (settled.length > 0) await this.#settle(agentId, settled);
  }

  async #settle(agentId: string, messages: readonly Leased[]): Promise<void> {
    const settlements = messages.map(({ messageId, attempt }) => {
      if (this.#random.chance(0.8)) return { messageId, attempt, outcome: "complete" };
      this.#ledger.returned.add(`${messageId}#${attempt}`);
      return { messageId, attempt, outcome: "retry", delaySeconds: 0 };
    });
    const answer = await this.#call("POST", "/messages/settle", { agentId, settlements });
    if (answer.status !== 200) return this.#wrong("a settlement", answer);
    for (const [index, { messageId, status }] of settleReply.parse(answer.body).results.entries()) {
      const { attempt = 0, outcome = "" } = settlements[index] ?? {};
      const { leaseExpiresAt = "", type = "" } = messages[index] ?? {};
      const isOurs = type === "notification";
      if (outcome !== "complete" || !isOurs) continue;
      if (status === "completed") this.#ledger.completed.set(messageId, attempt);
      // Answered within the lease: nobody else can have had it, so it cannot be lost.
      else if (Date.now() < Date.parse(leaseExpiresAt))
        this.#wrong(`completing ${messageId}#${attempt} in time`, answer);
    }
  }

  async #assign(): Promise<void> {
    const taskId = this.#fresh("task");
    const task = {
      taskId,
      supervisor: this.#random.pick(this.#cast.supervisors),
      taskType: "work",
      parameters: { n: 1 },
      requiredCapabilities: ["work"],
    };
    const answer = await this.#call("POST", "/tasks", task);
    if (answer.status !== 201 && answer.status !== 200) return this.#wrong("an assignment", answer);
    this.#ledger.tasks.add(taskId);
  }

  async #work(): Promise<void> {
    const agentId = this.#random.pick(this.#cast.workers);
    const answer = await this.#call("POST", `/agents/${agentId}/heartbeat`, {});
    if (answer.status !== 200) return this.#wrong("a heartbeat", answer);
    for (const { taskId, attempt } of heartbeatReply.parse(answer.body).tasks) {
      const dice = this.#random.next();
      if (dice < 0.3) await this.#call("POST", `/tasks/${taskId}/start`, { agentId, attempt });
      if (dice < 0.1) await this.#call("POST", `/tasks/${taskId}/fail`, { agentId, attempt, error: "by chance" });
      else await this.#complete(taskId, agentId, attempt);
    }
  }

  /** Reports usage alone, which an attempt may at any time. */
  async #use(taskId: string, agentId: string, attempt: number, inputTokens: number): Promise<void> {
    if (!this.#random.chance(0.5)) return;
    this.#ledger.noteUsage(`${taskId}#${attempt}`, inputTokens, false);
    const usage = [{ model: "m", inputTokens, outputTokens: 1 }];
    const answer = await this.#call("POST", `/tasks/${taskId}/usage`, { agentId, attempt, usage });
    if (answer.status === 200) this.#ledger.noteUsage(`${taskId}#${attempt}`, inputTokens, true);
    else this.#wrong("a report of usage", answer);
  }

  async #complete(taskId: string, agentId: string, attempt: number): Promise<void> {
    const of = `${taskId}#${attempt}`;
    await this.#use(taskId, agentId, attempt, this.#random.between(1, FINAL_TOKENS - 1));
    const used = this.#random.between(FINAL_TOKENS, 2 * FINAL_TOKENS);
    this.#ledger.noteUsage(of, used, false);
    const usage = [{ model: "m", inputTokens: used, outputTokens: 1 }];
    const body = { agentId, attempt, result: { ok: true }, usage };
    const answer = await this.#call("POST", `/tasks/${taskId}/complete`, body);
    if (answer.status === 200) {
      this.#ledger.finishedTasks.set(taskId, attempt);
      // Its usage was booked with it, or that of another client that has completed the same attempt.
      this.#ledger.noteUsage(of, FINAL_TOKENS, true);
    }
    // Another client may have failed the very attempt for the same agent.
    else if (answer.status !== 409) this.#wrong("a completion", answer);
  }
}
