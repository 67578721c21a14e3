import { type ErrorCode, isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import { PRIORITIES } from "../../../src/lib/model/values.ts";
import { at, type Held, payloadField, type Scene, SECOND } from "../../contract/support.ts";
import type { Random } from "../../support/random.ts";
import type { FleetWatch } from "./fleet-watch.ts";
import type { Ledger } from "./ledger.ts";
import { Lost, type Network } from "./network.ts";

/** What all actors share. */
export interface World {
  scene: Scene;
  random: Random;
  network: Network;
  ledger: Ledger;
  watch: FleetWatch;
  workers: string[];
  /** A work queue and a broadcast channel, which every worker joins. */
  queue: string;
  news: string;
  /** False towards the end: nothing new is started. */
  busy: boolean;
}

export const SKILLS = ["read", "write", "think@2"];

/** One thing to do; repeated, the very same, until it is answered. */
type Job = () => Promise<void>;

/** A process with a memory that a crash wipes. It speaks to the store only through the network. */
abstract class Actor {
  readonly world: World;
  readonly agentId: string;
  protected todo: Job[] = [];
  protected lastBeat = Number.NEGATIVE_INFINITY;
  /** Crashed until then: silent, and without memory afterwards. */
  deadUntil = 0;
  #claims = 0;

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
    this.#claims += 1;
    const claimId = this.world.scene.fresh("claim");
    const leaseMilliseconds = this.world.random.between(5, 60) * SECOND;
    const maxMessages = this.world.random.between(1, 4);
    const firstTry = { at: Number.POSITIVE_INFINITY };
    return async () => {
      firstTry.at = Math.min(firstTry.at, this.now);
      const options = { maxMessages, leaseMilliseconds, claimId, channel };
      const claimed = await this.ask(() => this.world.scene.claim(this.agentId, options));
      for (const message of claimed?.messages ?? []) {
        this.world.ledger.delivered(message, {
          agentId: this.agentId,
          claimId,
          now: this.now,
          firstTryAt: firstTry.at,
        });
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
      // The assignment message of an attempt that is over answers completed, whatever is said of it.
      if (status === undefined || status === "lease_lost" || message.type === "task_assignment") return;
      ledger.ended(messageId, attempt, status);
    };
  }
}

/** Takes tasks and messages, works, fails, forgets. */
export class WorkerActor extends Actor {
  readonly capabilities: string[];
  readonly capacity: number;
  #work = new Map<string, { held: Held; until: number }>();

  constructor(world: World, agentId: string, capabilities: string[], capacity: number) {
    super(world, agentId);
    this.capabilities = capabilities;
    this.capacity = capacity;
  }

  override get hasWork(): boolean {
    return super.hasWork || [...this.#work.values()].some(({ until }) => until <= this.now);
  }

  protected async register(): Promise<void> {
    const { agentId, capabilities, capacity } = this;
    const skills = [...capabilities, this.world.scene.skill];
    await this.ask(() =>
      this.world.scene.register({ agentId, role: "worker", capabilities: skills, maxConcurrentTasks: capacity }),
    );
    this.lastBeat = this.now;
    for (const channel of [this.world.queue, this.world.news]) this.todo.push(this.join(channel));
  }

  protected forget(): void {
    this.#work.clear();
  }

  protected find(): void {
    const { random } = this.world;
    for (const [taskId, { held, until }] of this.#work) {
      if (until > this.now) continue;
      this.#work.delete(taskId);
      this.todo.push(this.finish(held));
      return;
    }
    const current = [...this.#work.values()];
    if (current.length > 0 && random.chance(0.2)) this.todo.push(this.report(random.pick(current).held));
    else this.todo.push(random.chance(0.3) ? this.receive(this.world.queue) : this.receive());
  }

  protected handle(message: LeasedMessage): void {
    const { random } = this.world;
    if (message.type === "task_assignment") {
      const held = {
        taskId: text(message, "taskId"),
        agentId: this.agentId,
        attempt: Number(payloadField(message, "attempt")),
      };
      if (this.world.busy && random.chance(0.05)) return;
      this.todo.push(this.begin(held), this.settle(message, random.pick(["complete", "complete", "retry"])));
    } else if (message.type === "task_cancel") {
      this.#work.delete(text(message, "taskId"));
      const attempt = Number(payloadField(message, "attempt"));
      const held = { taskId: text(message, "taskId"), agentId: this.agentId, attempt };
      this.todo.push(this.end(held, random.pick(["complete", "fail"])), this.settle(message, "complete"));
    } else {
      if (this.world.busy && random.chance(0.1)) return;
      if (random.chance(0.2)) this.todo.push(this.renew(message));
      const outcome = this.world.busy
        ? random.pick(["complete", "complete", "retry", "dead_letter"] as const)
        : "complete";
      this.todo.push(this.settle(message, outcome));
    }
  }

  private join(channel: string): Job {
    return async () => {
      await this.ask(() => this.world.scene.store.addChannelMember(channel, this.agentId));
    };
  }

  private begin(held: Held): Job {
    const milliseconds = this.world.random.between(1, 50) * SECOND;
    return async () => {
      const reply = await this.ask(() => this.world.scene.start(held), "LEASE_LOST");
      if (reply !== undefined) this.#work.set(held.taskId, { held, until: this.now + milliseconds });
    };
  }

  private report(held: Held): Job {
    const extendSeconds = this.world.random.pick([undefined, 60]);
    return async () => {
      const reply = await this.ask(
        () => this.world.scene.progress(held, { percent: 50, ...(extendSeconds && { extendSeconds }) }),
        "LEASE_LOST",
      );
      if (reply === undefined) this.#work.delete(held.taskId);
    };
  }

  private finish(held: Held): Job {
    const { random } = this.world;
    return this.end(
      held,
      random.pick(this.world.busy ? ["complete", "complete", "complete", "fail", "fail for good"] : ["complete"]),
    );
  }

  private end(held: Held, how: "complete" | "fail" | "fail for good"): Job {
    return async () => {
      const { scene, ledger } = this.world;
      const send = () => (how === "complete" ? scene.complete(held) : scene.fail(held, { retryable: how === "fail" }));
      const reply = await this.ask(send, "LEASE_LOST");
      if (reply !== undefined) ledger.ended(held.taskId, held.attempt, how === "complete" ? "complete" : "fail");
    };
  }

  private renew(message: LeasedMessage): Job {
    const { messageId, attempt } = message;
    return async () => {
      const renewal = { agentId: this.agentId, messageId, attempt, leaseMilliseconds: 30 * SECOND };
      const reply = await this.ask(() => this.world.scene.store.renewLease(renewal), "LEASE_LOST");
      if (reply !== undefined) this.world.ledger.renewed(messageId, attempt, at(reply.leaseExpiresAt));
    };
  }
}

/** Hands out tasks, sends messages, cancels, and reads what came of it. */
export class SupervisorActor extends Actor {
  #tasks: string[] = [];
  /** How many more of each it may create. */
  #left = { tasks: 30, messages: 40 };

  protected async register(): Promise<void> {
    await this.ask(() => this.world.scene.register({ agentId: this.agentId, role: "supervisor" }));
    this.lastBeat = this.now;
  }

  protected forget(): void {
    this.#tasks = [];
  }

  protected handle(message: LeasedMessage): void {
    const { random, busy } = this.world;
    if (busy && random.chance(0.1)) return;
    this.todo.push(this.settle(message, busy && random.chance(0.1) ? "retry" : "complete"));
  }

  protected find(): void {
    const { random, busy } = this.world;
    const choice = busy ? random.next() : 1;
    if (choice < 0.3 && this.#left.tasks > 0) this.todo.push(this.submit());
    else if (choice < 0.55 && this.#left.messages > 0) this.todo.push(this.send());
    else if (choice < 0.6 && this.#tasks.length > 0) this.todo.push(this.cancel(random.pick(this.#tasks)));
    else this.todo.push(this.receive());
  }

  private submit(): Job {
    this.#left.tasks -= 1;
    const { scene, random, watch } = this.world;
    const taskId = scene.fresh("t");
    const task = scene.task(this.agentId, {
      taskId,
      requiredCapabilities: [scene.skill, ...random.some(["read", "think"])],
      preferredCapabilities: random.some(SKILLS),
      priority: random.pick(PRIORITIES),
      timeoutSeconds: random.pick([20, 60, 300]),
      maxRetries: random.between(0, 4),
      dependsOn: watch.acknowledged.size > 0 && random.chance(0.3) ? [random.pick([...watch.acknowledged])] : [],
      ...(random.chance(0.1) ? { assignTo: this.world.workers[0] } : {}),
    });
    return async () => {
      const reply = await this.ask(() => scene.store.assignTask(task), "AGENT_NOT_FOUND");
      if (reply === undefined) return;
      watch.acknowledged.add(taskId);
      this.#tasks.push(taskId);
    };
  }

  private send(): Job {
    this.#left.messages -= 1;
    const { scene, random, ledger, workers, queue, news } = this.world;
    const receiver = random.pick([...workers, `#${queue}`, `#${queue}`, `#${news}`]);
    const message = scene.message(this.agentId, receiver, {
      messageId: scene.fresh("m"),
      priority: random.pick(PRIORITIES),
      orderingKey: random.pick([undefined, "k1", "k2"]),
      delaySeconds: random.pick([undefined, undefined, 30]),
      ttlSeconds: random.pick([undefined, undefined, 40]),
      maxAttempts: random.between(1, 5),
    });
    return async () => {
      const send = async () => {
        if (receiver === `#${news}`) await scene.store.broadcastMessage(message);
        else await scene.store.sendMessages([message]);
        return true;
      };
      const accepted = await this.ask(send, "AGENT_NOT_FOUND");
      if (accepted === undefined) return;
      ledger.acknowledged.add(message.messageId);
      if (receiver !== `#${news}` && random.chance(0.15)) this.todo.push(this.withdraw(message.messageId));
    };
  }

  private withdraw(messageId: string): Job {
    return async () => {
      const { scene, ledger } = this.world;
      const reply = await this.ask(() => scene.store.withdrawMessage(messageId), "LEASE_LOST");
      if (reply?.status === "expired") ledger.withdrawn.set(messageId, (await scene.read(messageId)).attempt);
    };
  }

  private cancel(taskId: string): Job {
    return async () => {
      await this.ask(() => this.world.scene.store.cancelTask(taskId, "changed plans"), "TASK_ENDED");
    };
  }
}

function text(message: LeasedMessage, field: string): string {
  const value = payloadField(message, field);
  if (typeof value !== "string") throw new Error(`a ${message.type} without ${field}`);
  return value;
}
