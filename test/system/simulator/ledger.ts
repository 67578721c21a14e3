import type { LeasedMessage, Message } from "../../../src/lib/model/message.ts";
import { at, payloadField } from "../../contract/support.ts";

interface Delivery {
  attempt: number;
  claimId: string;
  agentId: string;
  leaseUntil: number;
  /** The holder has tried to give it up: from then on it may come again at any time. */
  released: boolean;
}

/** What the actors were told, kept where no crash of theirs reaches it: the promises that the store has made. */
export class Ledger {
  /** Messages whose send was acknowledged. */
  readonly acknowledged = new Set<string>();
  /** Messages that their sender has taken back, with the attempt in which they were. */
  readonly withdrawn = new Map<string, number>();
  readonly #deliveries = new Map<string, Delivery>();
  /** Per post: the copy of each member that has got it. */
  readonly #copies = new Map<string, Map<string, string>>();
  readonly #done = new Set<string>();
  readonly #settlements = new Map<string, string>();
  /** Per task: what its task_result messages said, by its version at that end. */
  readonly results = new Map<string, Map<number, string>>();
  readonly #resultIds = new Map<string, string>();

  /** A delivery: never while it is leased to somebody else, always under a higher attempt. */
  delivered(message: LeasedMessage, by: { agentId: string; claimId: string; now: number; firstTryAt: number }): void {
    const { agentId, claimId, now, firstTryAt } = by;
    const { messageId, attempt } = message;
    const before = this.#deliveries.get(messageId);
    if (attempt > (this.withdrawn.get(messageId) ?? attempt))
      throw new Error(`${messageId} came after it was withdrawn`);
    const owner = message.holder ?? message.receiver;
    if (owner !== agentId) throw new Error(`${messageId} went to ${agentId}, not ${owner}`);
    if (message.postId !== undefined) this.#copy(message.postId, message);
    // A repeated claim may bring, later, what its first try had leased in time.
    if (message.expiresAt !== undefined && at(message.expiresAt) <= firstTryAt) {
      throw new Error(`${messageId} was delivered after its time to live`);
    }
    if (before !== undefined && before.attempt === attempt) {
      if (before.claimId !== claimId) throw new Error(`${messageId} was delivered twice as attempt ${attempt}`);
    } else if (before !== undefined) {
      if (attempt < before.attempt) throw new Error(`${messageId} fell from attempt ${before.attempt} to ${attempt}`);
      if (!before.released && before.leaseUntil > now) throw new Error(`${messageId} was delivered while leased`);
    }
    const leaseUntil = at(message.leaseExpiresAt);
    this.#deliveries.set(messageId, {
      attempt,
      claimId,
      agentId,
      leaseUntil,
      released: before?.attempt === attempt && before.released,
    });
    if (message.type === "task_result") this.told(message);
  }

  /** No member has two copies of one post. */
  #copy(postId: string, { messageId, receiver }: LeasedMessage): void {
    const copies = this.#copies.get(postId) ?? new Map<string, string>();
    const other = copies.get(receiver) ?? messageId;
    if (other !== messageId) throw new Error(`${receiver} has two copies of ${postId}: ${other} and ${messageId}`);
    this.#copies.set(postId, copies.set(receiver, messageId));
  }

  /** A task_result: of each end of a task, which its version tells, there is one. */
  told(message: Message): void {
    const taskId = String(payloadField(message, "taskId"));
    const version = Number(payloadField(message, "version"));
    const results = this.results.get(taskId) ?? new Map<number, string>();
    const known = this.#resultIds.get(`${taskId} ${version}`) ?? message.messageId;
    if (known !== message.messageId) throw new Error(`the end of ${taskId} at ${version} was told twice`);
    this.#resultIds.set(`${taskId} ${version}`, message.messageId);
    this.results.set(taskId, results.set(version, String(payloadField(message, "status"))));
  }

  releasing(messageId: string, attempt: number): void {
    const delivery = this.#deliveries.get(messageId);
    if (delivery?.attempt === attempt) delivery.released = true;
  }

  renewed(messageId: string, attempt: number, leaseUntil: number): void {
    const delivery = this.#deliveries.get(messageId);
    if (delivery?.attempt === attempt) delivery.leaseUntil = leaseUntil;
  }

  /** A completion that was taken is not refused when it is repeated. */
  async once<T>(what: string, send: () => Promise<T>): Promise<T> {
    try {
      const reply = await send();
      this.#done.add(what);
      return reply;
    } catch (error) {
      if (this.#done.has(what)) throw new Error(`${what} was completed, and its repeat is refused`, { cause: error });
      throw error;
    }
  }

  /** An accepted end of an attempt; another outcome for the same attempt must never be accepted. */
  ended(what: string, attempt: number, outcome: string): void {
    const key = `${what} ${attempt}`;
    const before = this.#settlements.get(key);
    if (before !== undefined && before !== outcome) throw new Error(`${key} ended as ${before} and as ${outcome}`);
    this.#settlements.set(key, outcome);
  }
}
