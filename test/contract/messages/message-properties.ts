import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Message } from "../../../src/lib/model/message.ts";
import { PRIORITIES, type Priority } from "../../../src/lib/model/values.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { at, caught, type Scene } from "../support.ts";
import { type Answer, MessageModel, type ModelMessage, type Outcome } from "./message-model.ts";

/**
 * Times move in ticks, and leases, delays and times to live end half a tick off: however slow the machine, the model
 * and the store agree on what has ended.
 */
const TICK = 1_100_000;
const half = (ticks: number) => (ticks + 0.5) * TICK;
const RECEIVERS = 2;

type Single =
  | { do: "send"; to: number; priority: Priority; key: number; delay: number; ttl: number; maxAttempts: number }
  | { do: "resend"; which: number }
  | { do: "claim"; agent: number; max: number; lease: number; again: boolean }
  | { do: "settle"; which: number; outcome: Outcome; delay: number; wrong: number }
  | { do: "renew"; which: number; lease: number; wrong: number }
  | { do: "advance"; ticks: number }
  | { do: "sweep" }
  | { do: "redrive"; agent: number };
type Step = Single | { do: "burst"; steps: Single[] };

const nat = (max: number) => fc.nat({ max });
const outcome = fc.constantFrom<Outcome>("complete", "retry", "dead_letter");
/** 0: the attempt and agent as delivered; others make the call stale or foreign. */
const wrong = fc.constantFrom(0, 0, 0, 0, 1, 2);
const settle = fc.record({ do: fc.constant("settle" as const), which: nat(99), outcome, delay: nat(2), wrong });
const renew = fc.record({ do: fc.constant("renew" as const), which: nat(99), lease: nat(3), wrong });
const claim = fc.record({
  do: fc.constant("claim" as const),
  agent: nat(RECEIVERS - 1),
  max: fc.integer({ min: 1, max: 4 }),
  lease: nat(3),
  again: fc.boolean(),
});
const sweep = fc.record({ do: fc.constant("sweep" as const) });
const send = fc.record({
  do: fc.constant("send" as const),
  to: nat(RECEIVERS - 1),
  priority: fc.constantFrom(...PRIORITIES),
  // 0 and 1 are ordering keys, others none.
  key: nat(3),
  // 0: none, otherwise that many and a half ticks.
  delay: fc.constantFrom(0, 0, 1, 2),
  ttl: fc.constantFrom(0, 0, 1, 3),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
});
const single: fc.Arbitrary<Single> = fc.oneof(
  { weight: 5, arbitrary: send },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resend" as const), which: nat(99) }) },
  { weight: 6, arbitrary: claim },
  { weight: 6, arbitrary: settle },
  { weight: 2, arbitrary: renew },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ticks: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: sweep },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("redrive" as const), agent: nat(RECEIVERS - 1) }) },
);
const burst = fc.record({
  do: fc.constant("burst" as const),
  steps: fc.array(fc.oneof<fc.Arbitrary<Single>[]>(claim, settle, renew, sweep), { minLength: 2, maxLength: 6 }),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>({ weight: 9, arbitrary: single }, { weight: 1, arbitrary: burst }),
  { minLength: 5, maxLength: 50, size: "max" },
);

interface Delivery {
  id: string;
  agentId: string;
  attempt: number;
}

/** One run: a store, the model beside it, and every delivery that there ever was. */
class MessageRun {
  readonly scene: Scene;
  readonly model = new MessageModel();
  readonly receivers: string[] = [];
  readonly deliveries: Delivery[] = [];
  #claims = 0;
  #swept = false;
  sender = "";

  constructor(scene: Scene) {
    this.scene = scene;
  }

  async begin(): Promise<void> {
    this.sender = await this.scene.agent();
    for (let i = 0; i < RECEIVERS; i++) this.receivers.push(await this.scene.agent());
  }

  get now(): number {
    return this.scene.store.now();
  }

  receiver(index: number): string {
    return this.receivers[index % RECEIVERS] ?? "";
  }

  async take(step: Step): Promise<void> {
    this.#swept = false;
    if (step.do === "burst") await this.burst(step.steps);
    else await this.single(step);
    await this.verify();
  }

  async single(step: Single): Promise<void> {
    switch (step.do) {
      case "send":
        return await this.send(step);
      case "resend": {
        const message = this.model.messages[step.which % Math.max(1, this.model.messages.length)];
        if (message === undefined) return;
        const again = this.scene.message(this.sender, message.receiver, { messageId: message.id, payload: "again" });
        expect(await caught(this.scene.store.sendMessages([again]))).toBe("IDEMPOTENCY_MISMATCH");
        return;
      }
      case "claim":
        return await this.claim(step);
      case "settle":
        return await this.settle(step);
      case "renew":
        return await this.renew(step);
      case "advance":
        this.scene.advance(step.ticks * TICK);
        return;
      case "sweep":
        await this.scene.store.sweep();
        this.model.join(this.now);
        this.#swept = true;
        return;
      case "redrive":
        return await this.redrive(this.receiver(step.agent));
    }
  }

  async send(step: Extract<Single, { do: "send" }>): Promise<void> {
    const receiver = this.receiver(step.to);
    const key = step.key < 2 ? `k${step.key}` : undefined;
    const before = this.now;
    const waitsToJoin = this.model.waitsToJoin(receiver, key, before);
    const id = await this.scene.send(this.sender, receiver, {
      priority: step.priority,
      orderingKey: key,
      delaySeconds: step.delay === 0 ? undefined : half(step.delay) / 1_000,
      ttlSeconds: step.ttl === 0 ? undefined : half(step.ttl) / 1_000,
      maxAttempts: step.maxAttempts,
    });
    const read = await this.scene.read(id);
    const acceptedAt = at(read.acceptedAt);
    expect(acceptedAt).toBeGreaterThanOrEqual(before);
    expect(acceptedAt).toBeLessThanOrEqual(this.now);
    expect(at(read.availableAt)).toBe(acceptedAt + (step.delay === 0 ? 0 : half(step.delay)));
    this.model.messages.push({
      id,
      receiver,
      arrival: this.model.nextArrival(),
      priority: step.priority,
      key,
      joined: key === undefined || (step.delay === 0 && !waitsToJoin),
      availableAt: at(read.availableAt),
      expiresAt: step.ttl === 0 ? undefined : acceptedAt + half(step.ttl),
      status: "queued",
      attempt: 0,
      attemptLimit: step.maxAttempts,
      maxAttempts: step.maxAttempts,
      leaseUntil: 0,
      endedAt: 0,
      perhapsUnrecorded: false,
      settled: undefined,
    });
  }

  async claim(step: Extract<Single, { do: "claim" }>): Promise<void> {
    const agentId = this.receiver(step.agent);
    this.#claims += 1;
    const options = { maxMessages: step.max, leaseMilliseconds: half(step.lease), claimId: `claim-${this.#claims}` };
    const possible = this.model.deliverable(agentId, this.now, Number.POSITIVE_INFINITY);
    const leased = await this.scene.receive(agentId, options);
    const ids = leased.map((message) => message.messageId);
    if (this.model.mayHoldBack(agentId)) {
      expect(possible).toEqual(expect.arrayContaining(ids));
      expect(ids.length).toBeLessThanOrEqual(step.max);
    } else expect(ids).toEqual(possible.slice(0, step.max));
    for (const message of leased) this.hand(message, agentId);
    if (!step.again || leased.length < step.max) return;
    // The answer was lost: the repeat leases nothing more.
    const again = await this.scene.receive(agentId, options);
    expect(again).toHaveLength(leased.length);
    expect(again).toEqual(expect.arrayContaining(leased));
  }

  /** Takes a delivery into the model, which foretells its attempt. */
  hand(message: Message, agentId: string): void {
    const known = this.model.find(message.messageId);
    if (known === undefined) throw new Error("a message that was never sent");
    expect(message.attempt).toBe(known.attempt + 1);
    expect(message.attempt).toBeLessThanOrEqual(known.attemptLimit);
    known.attempt += 1;
    known.status = "leased";
    known.leaseUntil = at(message.leaseExpiresAt);
    known.settled = undefined;
    this.deliveries.push({ id: known.id, agentId, attempt: known.attempt });
  }

  /** One of the deliveries so far; `wrong` 1 names the next attempt, 2 another agent. */
  delivery(which: number, wrongness: number): Delivery | undefined {
    const delivery = this.deliveries.at(-1 - (which % Math.max(1, this.deliveries.length)));
    if (delivery === undefined) return undefined;
    if (wrongness === 1) return { ...delivery, attempt: delivery.attempt + 1 };
    if (wrongness === 2) return { ...delivery, agentId: this.sender };
    return delivery;
  }

  async settle(step: Extract<Single, { do: "settle" }>): Promise<void> {
    const delivery = this.delivery(step.which, step.wrong);
    if (delivery === undefined) return;
    const message = this.model.find(delivery.id);
    const expected = this.model.answer(message, delivery.agentId, delivery.attempt, step.outcome);
    expect(await this.callSettle(step, delivery)).toBe(expected);
    if (message === undefined) return;
    const read = await this.scene.read(message.id);
    this.model.settle(message, step.outcome, expected, step.delay === 0 ? undefined : at(read.availableAt));
  }

  async callSettle(step: Extract<Single, { do: "settle" }>, delivery: Delivery): Promise<Answer> {
    const delayMilliseconds = step.delay === 0 ? 0 : half(step.delay);
    const message = { messageId: delivery.id, attempt: delivery.attempt };
    return await this.scene.settle(delivery.agentId, message, step.outcome, { delayMilliseconds });
  }

  async renew(step: Extract<Single, { do: "renew" }>): Promise<void> {
    const delivery = this.delivery(step.which, step.wrong);
    if (delivery === undefined) return;
    const { id, agentId, attempt } = delivery;
    const message = this.model.find(id);
    const accepted = message?.status === "leased" && message.receiver === agentId && message.attempt === attempt;
    const before = this.now;
    const renewal = { agentId, messageId: id, attempt, leaseMilliseconds: half(step.lease) };
    expect(await caught(this.scene.store.renewLease(renewal))).toBe(accepted ? "accepted" : "LEASE_LOST");
    if (!accepted || message === undefined) return;
    message.leaseUntil = at((await this.scene.read(id)).leaseExpiresAt);
    expect(message.leaseUntil).toBeGreaterThanOrEqual(before + half(step.lease));
    expect(message.leaseUntil).toBeLessThanOrEqual(this.now + half(step.lease));
  }

  async redrive(receiver: string): Promise<void> {
    const dead = this.model.messages.filter(
      (message) => message.receiver === receiver && message.status === "dead_lettered",
    );
    dead.sort((a, b) => a.endedAt - b.endedAt || a.arrival - b.arrival);
    expect(await this.scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: false })).toBe(dead.length);
    for (const message of dead) {
      const read = await this.scene.read(message.id);
      message.joined = !this.model.waitsToJoin(receiver, message.key, this.now);
      message.status = "queued";
      message.arrival = this.model.nextArrival();
      message.attemptLimit = message.attempt + message.maxAttempts;
      message.availableAt = at(read.availableAt);
      message.expiresAt = read.expiresAt === undefined ? undefined : at(read.expiresAt);
      message.settled = undefined;
    }
  }

  /** Calls at once: what each may be answered depends on the others, so the answers are checked against each other. */
  async burst(batch: readonly Single[]): Promise<void> {
    const delivered: { message: Message; agentId: string }[] = [];
    const accepted: { delivery: Delivery; outcome: Outcome; answer: Answer }[] = [];
    await Promise.all(
      batch.map(async (step) => {
        if (step.do === "claim") {
          const agentId = this.receiver(step.agent);
          const options = { maxMessages: step.max, leaseMilliseconds: half(step.lease) };
          for (const message of await this.scene.receive(agentId, options)) delivered.push({ message, agentId });
        } else if (step.do === "settle") {
          const delivery = this.delivery(step.which, step.wrong);
          if (delivery === undefined) return;
          const answer = await this.callSettle(step, delivery);
          if (answer !== "lease_lost") accepted.push({ delivery, outcome: step.outcome, answer });
        } else if (step.do === "renew") {
          const delivery = this.delivery(step.which, step.wrong);
          if (delivery === undefined) return;
          const { id: messageId, agentId, attempt } = delivery;
          const code = await caught(
            this.scene.store.renewLease({ agentId, messageId, attempt, leaseMilliseconds: half(step.lease) }),
          );
          expect(["accepted", "LEASE_LOST"]).toContain(code);
        } else await this.scene.store.sweep();
      }),
    );
    // In any order: nothing else in a burst gives a number.
    for (const step of batch) {
      if (step.do === "claim") this.model.join(this.now, this.receiver(step.agent));
      else if (step.do !== "settle" && step.do !== "renew") this.model.join(this.now);
    }
    delivered.sort((a, b) => a.message.attempt - b.message.attempt);
    for (const { message, agentId } of delivered) this.hand(message, agentId);
    for (const one of accepted) {
      const others = accepted.filter((other) => sameAttempt(one.delivery, other.delivery));
      expect(new Set(others.map((other) => `${other.outcome} ${other.answer}`)).size).toBe(1);
    }
    for (const message of this.model.messages) await this.adopt(message, accepted);
  }

  /** After a burst the model cannot foretell the state; it checks that it is one of the possible, and goes on from it. */
  async adopt(
    message: ModelMessage,
    accepted: { delivery: Delivery; outcome: Outcome; answer: Answer }[],
  ): Promise<void> {
    const read = await this.scene.read(message.id);
    expect(read.attempt).toBe(message.attempt);
    if (read.status === "expired" && message.status !== "expired") message.perhapsUnrecorded = true;
    const settled = accepted.find(({ delivery }) => delivery.id === message.id && delivery.attempt === message.attempt);
    if (settled !== undefined) {
      message.settled = { outcome: settled.outcome, answer: settled.answer };
      expect([settled.answer, ...(settled.answer === "queued" ? ["expired"] : [])]).toContain(read.status);
      // An expired one may yet read as queued in the model: time decides.
      message.status = read.status;
      message.availableAt = at(read.availableAt);
    } else if (message.status === "leased" && read.status === "leased") {
      message.leaseUntil = at(read.leaseExpiresAt);
    } else {
      expect(this.model.readable(message, this.now)).toContain(read.status);
      message.status = read.status;
    }
  }

  /** The guarantees, after every step. */
  async verify(): Promise<void> {
    for (const message of this.model.messages) {
      const read = await this.scene.read(message.id);
      expect(read.attempt).toBe(message.attempt);
      const possible = this.#swept ? [this.model.due(message, this.now)] : this.model.readable(message, this.now);
      expect(possible).toContain(read.status);
      if (this.#swept) message.perhapsUnrecorded = false;
      else if (read.status === "expired" && message.status !== "expired") message.perhapsUnrecorded = true;
      message.status = read.status;
      if (read.status === "leased") expect(at(read.leaseExpiresAt)).toBe(message.leaseUntil);
      else expect(at(read.availableAt)).toBe(message.availableAt);
      if (read.endedAt !== undefined) message.endedAt = at(read.endedAt);
    }
    expect(this.model.keysInTwoHands(this.now)).toEqual([]);
    const { totalMessages, byStatus, deadLetters } = await this.scene.store.queueStatistics();
    expect(totalMessages).toBe(this.model.messages.length);
    expect(deadLetters).toBe(byStatus.dead_lettered);
    if (this.#swept) expect(byStatus).toMatchObject(this.model.count(this.now));
  }

  /** Whatever happened: everything can still be brought to an end. */
  async drain(): Promise<void> {
    for (let round = 0; round < 60; round++) {
      this.scene.advance(4 * TICK);
      await this.scene.store.sweep();
      this.model.join(this.now);
      this.#swept = true;
      await this.verify();
      let delivered = 0;
      for (const agentId of this.receivers) {
        const expected = this.model.deliverable(agentId, this.now, 50);
        const leased = await this.scene.receive(agentId, { maxMessages: 50 });
        expect(leased.map((message) => message.messageId)).toEqual(expected);
        for (const message of leased) {
          this.hand(message, agentId);
          expect(await this.scene.settle(agentId, message, "complete")).toBe("completed");
          const known = this.model.find(message.messageId);
          if (known !== undefined) this.model.settle(known, "complete", "completed", undefined);
        }
        delivered += leased.length;
      }
      if (delivered === 0) break;
    }
    const ends = this.model.messages.map((message) => this.model.due(message, this.now));
    expect(ends.filter((status) => status === "queued" || status === "leased")).toEqual([]);
  }
}

function sameAttempt(a: Delivery, b: Delivery): boolean {
  return a.id === b.id && a.attempt === b.attempt;
}

/** Random interleavings of sends, claims, settlements, time and sweeps keep what section 3 promises of messages. */
export function messageProperties(open: StoreFactory, runs: number, seed?: number): void {
  describe("any interleaving of message calls", () => {
    it("keeps the guarantees after every step, and can be brought to an end", async () => {
      const property = fc.asyncProperty(steps, async (list) => {
        await withStore(open, {}, async (scene) => {
          const run = new MessageRun(scene);
          await run.begin();
          for (const step of list) await run.take(step);
          await run.drain();
        });
      });
      await fc.assert(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
      // Shrinking a counterexample may take longer than the runs.
    }, 600_000);
  });
}
