import { type ErrorCode, isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import type { Services } from "../../../src/lib/services.ts";
import { at, payloadField, type Scene, SECOND } from "../../contract/support.ts";
import type { Random } from "../../support/random.ts";
import type { FleetRows } from "./fleet-rows.ts";
import type { FleetWatch } from "./fleet-watch.ts";
import type { Ledger } from "./ledger.ts";
import { Lost, type Network } from "./network.ts";
import type { UsageLedger } from "./usage-ledger.ts";
import type { WaitingPromises } from "./waiting-promises.ts";

/** What all actors share. */
export interface World {
  scene: Scene;
  services: Services;
  random: Random;
  network: Network;
  ledger: Ledger;
  promises: WaitingPromises;
  usage: UsageLedger;
  watch: FleetWatch;
  rows: FleetRows;
  workers: string[];
  /** A work queue and a broadcast channel, which every worker joins. */
  queue: string;
  news: string;
  /** False towards the end: nothing new is started. */
  busy: boolean;
}

export const SKILLS = ["read", "write", "think@2"];

/** One thing to do; repeated, the very same, until it is answered. */
export type Job = () => Promise<void>;

/** A process with a memory that a crash wipes. It speaks to the store only through the network. */
export abstract class Actor {
  readonly world: World;
  readonly agentId: string;
  protected todo: Job[] = [];
  protected lastBeat = Number.NEGATIVE_INFINITY;
  /** Crashed until then: silent, and without memory afterwards. */
  deadUntil = 0;

  constructor(world: World, agentId: string) {
    this.world = world;
    this.agentId = agentId;
    this.todo.push(() => this.register());
  }

  get now(): number {
    return this.world.scene.store.now();
  }

  /** Whether it has anything to do, even if no message comes. */
  get hasWork(): boolean {
    return this.todo.length > 0 || this.#isSilent;
  }

  get #isSilent(): boolean {
    return this.now - this.lastBeat > 25 * SECOND && this.lastBeat > 0;
  }

  crash(milliseconds: number): void {
    this.deadUntil = this.now + milliseconds;
    this.todo = [() => this.register()];
    this.lastBeat = Number.NEGATIVE_INFINITY;
    this.forget();
  }

  /** Does one thing, or finds one to do. */
  async act(): Promise<void> {
    if (this.now < this.deadUntil) return;
    if (this.#isSilent) this.todo.unshift(() => this.beat());
    const job = this.todo[0];
    if (job === undefined) return this.find();
    try {
      await job();
    } catch (error) {
      if (error instanceof Lost) return;
      throw error;
    }
    this.todo = this.todo.filter((other) => other !== job);
  }

  protected abstract register(): Promise<void>;
  protected abstract find(): void;
  protected abstract forget(): void;
  protected abstract handle(message: LeasedMessage): void;

  /** A call whose refusal, one of `allowed`, is an answer like another: undefined. */
  protected async ask<T>(send: () => Promise<T>, ...allowed: ErrorCode[]): Promise<T | undefined> {
    try {
      return await this.world.network.call(send);
    } catch (error) {
      if (isAgentCommunicationError(error) && allowed.includes(error.code)) return undefined;
      throw error;
    }
  }

  protected async beat(): Promise<void> {
    await this.ask(() => this.world.scene.store.heartbeat({ agentId: this.agentId }));
    this.lastBeat = this.now;
  }

  /** From its own mailbox, or from a work queue. */
  protected receive(channel?: string): Job {
    const claimId = this.world.scene.fresh("claim");
    const leaseMilliseconds = this.world.random.between(5, 60) * SECOND;
    const maxMessages = this.world.random.between(1, 4);
    const firstTry = { at: Number.POSITIVE_INFINITY };
    return async () => {
      firstTry.at = Math.min(firstTry.at, this.now);
      const options = { maxMessages, leaseMilliseconds, claimId, channel };
      const claimed = await this.ask(() => this.world.scene.claim(this.agentId, options));
      const { agentId, now } = this;
      for (const message of claimed?.messages ?? []) {
        this.world.ledger.delivered(message, { agentId, claimId, now, firstTryAt: firstTry.at });
        this.handle(message);
      }
    };
  }

  protected settle(message: LeasedMessage, outcome: "complete" | "retry" | "dead_letter"): Job {
    const { messageId, attempt } = message;
    const delayMilliseconds = this.world.random.pick([undefined, 0, 20 * SECOND]);
    return async () => {
      const { scene, ledger } = this.world;
      ledger.releasing(messageId, attempt);
      const settlement = { messageId, attempt, outcome, delayMilliseconds };
      const results = await this.ask(() => scene.store.settleMessages(this.agentId, [settlement]));
      const status = results?.[0]?.status;
      // The message of an attempt or question that is over answers completed, whatever is said of it.
      const isOfTask = message.type === "task_assignment" || message.type === "task_question";
      if (status === undefined || status === "lease_lost" || isOfTask) return;
      ledger.ended(messageId, attempt, status);
    };
  }

  protected renew(message: LeasedMessage): Job {
    const { messageId, attempt } = message;
    return async () => {
      const renewal = { agentId: this.agentId, messageId, attempt, leaseMilliseconds: 30 * SECOND };
      const reply = await this.ask(() => this.world.scene.store.renewLease(renewal), "LEASE_LOST");
      if (reply !== undefined) this.world.ledger.renewed(messageId, attempt, at(reply.leaseExpiresAt));
    };
  }

  /** Of one that may, or may not: what is accepted is compared with what was asked. */
  protected answer(taskId: string, questionId: string): Job {
    const answer = this.world.random.pick<JsonValue>(["yes", "no", "reject"]);
    const input = { agentId: this.agentId, questionId, answer };
    return async () => {
      const { services, promises } = this.world;
      const send = async () => promises.answered(this.agentId, input, await services.questions.answer(taskId, input));
      await this.ask(send, "ALREADY_ANSWERED", "TASK_ENDED", "TASK_NOT_FOUND", "FORBIDDEN", "NOT_FOUND");
    };
  }

  /** A question that came as a message. */
  protected answerMessage(message: LeasedMessage): void {
    const { random, busy } = this.world;
    const [taskId, questionId] = [text(message, "taskId"), text(message, "questionId")];
    if (!busy || random.chance(0.6)) this.todo.push(this.answer(taskId, questionId));
    if (busy && random.chance(0.2)) this.todo.push(this.answer(taskId, questionId));
    this.todo.push(this.settle(message, "complete"));
  }
}

/** A field of a message that has to be a text. */
export function text(message: LeasedMessage, field: string): string {
  const value = payloadField(message, field);
  if (typeof value !== "string") throw new Error(`a ${message.type} without ${field}`);
  return value;
}
