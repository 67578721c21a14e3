import type { Message } from "../../../src/lib/model/message.ts";
import type { Priority } from "../../../src/lib/model/values.ts";
import type { SettleResult } from "../../../src/lib/store/store.ts";

const HEAD_STARTS: Record<Priority, number> = { low: 0, normal: 60_000, high: 600_000, urgent: 3_600_000 };

export type Outcome = "complete" | "retry" | "dead_letter";
export type Answer = SettleResult["status"];

/** A message as the design says it must be. Times that the store chose (within their bounds) are taken from it. */
export interface ModelMessage {
  id: string;
  receiver: string;
  /** Place in the order of acceptance; a redrive gives a new one. */
  arrival: number;
  priority: Priority;
  key: string | undefined;
  /** False while a first delay keeps it out of its key, which it joins, with a new place, when a claim or sweep finds it due. */
  joined: boolean;
  availableAt: number;
  expiresAt: number | undefined;
  status: Message["status"];
  attempt: number;
  attemptLimit: number;
  maxAttempts: number;
  leaseUntil: number;
  endedAt: number;
  /** It has expired, but no sweep has been by: perhaps not recorded, and then still at the head of its key. */
  perhapsUnrecorded: boolean;
  /** The settlement of the current attempt and its answer. */
  settled: { outcome: Outcome; answer: Answer } | undefined;
}

/** The message machine of section 4, small enough to be obviously right: no index, no laziness, one array. */
export class MessageModel {
  readonly messages: ModelMessage[] = [];
  #arrivals = 0;

  nextArrival(): number {
    this.#arrivals += 1;
    return this.#arrivals;
  }

  /** Whether what comes into the key now joins it later: something due has not joined yet, and is in front. */
  waitsToJoin(receiver: string, key: string | undefined, now: number): boolean {
    return key !== undefined && this.#joining(now, receiver).some((message) => message.key === key);
  }

  /** What a claim of the receiver does first, and a sweep for all: what is due joins its key. */
  join(now: number, receiver?: string): void {
    const due = this.#joining(now, receiver);
    for (const message of due.sort((a, b) => a.availableAt - b.availableAt || a.arrival - b.arrival)) {
      message.joined = true;
      message.arrival = this.nextArrival();
    }
  }

  #joining(now: number, receiver: string | undefined): ModelMessage[] {
    return this.messages.filter(
      (message) =>
        !message.joined &&
        message.status === "queued" &&
        message.availableAt <= now &&
        (receiver === undefined || message.receiver === receiver),
    );
  }

  find(id: string): ModelMessage | undefined {
    return this.messages.find((message) => message.id === id);
  }

  /** What a message is once everything that time brings about has been acted on. */
  due(message: ModelMessage, now: number): Message["status"] {
    if (message.status === "leased") {
      if (message.leaseUntil > now) return "leased";
      if (message.attempt >= message.attemptLimit) return "dead_lettered";
    } else if (message.status !== "queued") {
      return message.status;
    }
    return message.expiresAt !== undefined && message.expiresAt <= now ? "expired" : "queued";
  }

  /** What may be read of it now: what time has brought about, or what is still recorded. */
  readable(message: ModelMessage, now: number): Message["status"][] {
    const due = this.due(message, now);
    return message.status === "leased" ? ["leased", due] : [due];
  }

  /** The ids that a claim of `receiver` must lease, in order. */
  deliverable(receiver: string, now: number, max: number): string[] {
    this.join(now, receiver);
    const mailbox = this.messages.filter((message) => message.receiver === receiver);
    const live = mailbox.filter((message) => ["queued", "leased"].includes(this.due(message, now)));
    const blocked = (message: ModelMessage) =>
      message.key !== undefined &&
      live.some((other) => other.joined && other.key === message.key && other.arrival < message.arrival);
    return live
      .filter((message) => this.due(message, now) === "queued" && message.availableAt <= now && !blocked(message))
      .sort((a, b) => rank(a) - rank(b) || a.arrival - b.arrival)
      .slice(0, max)
      .map((message) => message.id);
  }

  /** Whether an expired message that no claim need meet may still hold back the next of its key. */
  mayHoldBack(receiver: string): boolean {
    return this.messages.some(
      (message) => message.receiver === receiver && message.key !== undefined && message.perhapsUnrecorded,
    );
  }

  /** What a settlement must be answered. */
  answer(message: ModelMessage | undefined, agentId: string, attempt: number, outcome: Outcome): Answer {
    if (message === undefined) return "not_found";
    if (message.receiver !== agentId || message.attempt !== attempt) return "lease_lost";
    if (message.status === "leased") {
      if (outcome === "complete") return "completed";
      if (outcome === "dead_letter" || attempt >= message.attemptLimit) return "dead_lettered";
      return "queued";
    }
    return message.settled?.outcome === outcome ? message.settled.answer : "lease_lost";
  }

  /** Does what `answer` has foretold for a leased message. */
  settle(message: ModelMessage, outcome: Outcome, answer: Answer, availableAt: number | undefined): void {
    if (message.status !== "leased" || answer === "lease_lost" || answer === "not_found") return;
    message.status = answer;
    message.settled = { outcome, answer };
    if (answer === "queued" && availableAt !== undefined) message.availableAt = availableAt;
  }

  /** A key must never be in two hands. */
  keysInTwoHands(now: number): string[] {
    const held = this.messages.filter((message) => message.status === "leased" && message.leaseUntil > now);
    const keys = held.flatMap((message) => (message.key === undefined ? [] : [`${message.receiver} ${message.key}`]));
    return keys.filter((key, i) => keys.indexOf(key) !== i);
  }

  count(now: number): Partial<Record<Message["status"], number>> {
    const counts: Partial<Record<Message["status"], number>> = {};
    for (const message of this.messages) {
      const status = this.due(message, now);
      counts[status] = (counts[status] ?? 0) + 1;
    }
    return counts;
  }
}

function rank(message: ModelMessage): number {
  return message.availableAt - HEAD_STARTS[message.priority];
}
