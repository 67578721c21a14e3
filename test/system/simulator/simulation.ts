import { expect } from "@jest/globals";
import type { StoreUnderTest } from "../../contract/store-under-test.ts";
import { everyPage, payloadField, Scene, SECOND } from "../../contract/support.ts";
import { TaskWatch } from "../../contract/tasks/task-watch.ts";
import { Random } from "../../support/random.ts";
import { SKILLS, SupervisorActor, WorkerActor, type World } from "./actors.ts";
import { checkAudit } from "./audited.ts";
import { Ledger } from "./ledger.ts";
import { Network } from "./network.ts";

const SWEEP_EVERY = 15 * SECOND;
const WORKERS = 5;
const SUPERVISORS = 2;

/** What a run was made of, to see that it was worth something. */
export interface Summary {
  tasks: number;
  messages: number;
  crashes: number;
  lostRequests: number;
  lostReplies: number;
  repeated: number;
}

/** A fleet at work on one store, until `steps` have been taken and everything has ended. */
export class Simulation {
  readonly #random: Random;
  readonly #world: World;
  readonly #actors: (WorkerActor | SupervisorActor)[] = [];
  #nextSweep = 0;
  #crashes = 0;

  constructor(under: StoreUnderTest, seed: number) {
    const random = new Random(seed);
    const scene = new Scene(under);
    this.#random = random;
    const network = new Network(random);
    this.#world = {
      scene,
      random,
      network,
      ledger: new Ledger(),
      watch: new TaskWatch(scene),
      workers: [],
      queue: scene.id("queue"),
      news: scene.id("news"),
      busy: true,
    };
    for (let i = 0; i < WORKERS; i++) {
      const agentId = scene.id(`w${i}`);
      // The first can do everything, so that every task has somebody.
      const capabilities = i === 0 ? SKILLS : random.some(SKILLS);
      this.#world.workers.push(agentId);
      this.#actors.push(new WorkerActor(this.#world, agentId, capabilities, random.between(1, 3)));
    }
    for (let i = 0; i < SUPERVISORS; i++) this.#actors.push(new SupervisorActor(this.#world, scene.id(`s${i}`)));
  }

  async run(steps: number): Promise<Summary> {
    // The store draws its jitter from here: seeded, a replay is the same to the millisecond.
    const unseeded = Math.random;
    Math.random = () => this.#random.next();
    const { scene, queue, news } = this.#world;
    try {
      await scene.channel("work_queue", { name: queue });
      await scene.channel("broadcast", { name: news });
      for (let step = 0; step < steps; step++) await this.#step();
      await this.#drain();
    } finally {
      Math.random = unseeded;
    }
    await this.#checkEnds();
    await checkAudit(
      scene,
      this.#world.watch.tasks.map(({ taskId }) => taskId),
    );
    const { lostRequests, lostReplies, repeated } = this.#world.network.counts;
    const { watch, ledger } = this.#world;
    return {
      tasks: watch.tasks.length,
      messages: ledger.acknowledged.size,
      crashes: this.#crashes,
      lostRequests,
      lostReplies,
      repeated,
    };
  }

  async #step(): Promise<void> {
    const random = this.#random;
    this.#world.scene.advance(random.chance(0.02) ? random.between(20, 120) * SECOND : random.between(0, 2_500));
    const swept = await this.#sweepWhenDue();
    if (swept) await this.#world.watch.look({ kind: "sweep", swept });
    const actor = random.pick(this.#actors);
    if (random.chance(0.008)) {
      this.#crashes += 1;
      actor.crash(random.between(10, 200) * SECOND);
    }
    // Several at once now and then: their calls meet in the store.
    const others = random.chance(0.15) ? this.#actors.filter((other) => other !== actor && random.chance(0.5)) : [];
    await Promise.all([actor, ...others].map((one) => one.act()));
    await this.#world.watch.look({ kind: "act", swept: false });
    this.#checkSilence();
  }

  async #sweepWhenDue(): Promise<boolean> {
    const { store } = this.#world.scene;
    if (store.now() < this.#nextSweep) return false;
    this.#nextSweep = store.now() + SWEEP_EVERY;
    await Promise.all(this.#random.chance(0.2) ? [store.sweep(), store.sweep()] : [store.sweep()]);
    return true;
  }

  /** Section 3.5: silent past the timeout and one sweep, an agent is not active. */
  #checkSilence(): void {
    const now = this.#world.scene.store.now();
    for (const agent of this.#world.watch.agents) {
      const silent = now - Date.parse(agent.lastHeartbeatAt);
      const overdue = silent > 90 * SECOND + SWEEP_EVERY + 130 * SECOND;
      if (overdue && (agent.status === "active" || agent.status === "draining")) {
        throw new Error(`${agent.agentId} is ${agent.status} after ${silent} ms of silence`);
      }
    }
  }

  /** No more faults and nothing new: what has been accepted must come to an end. */
  async #drain(): Promise<void> {
    this.#world.network.faulty = false;
    this.#world.busy = false;
    for (const actor of this.#actors) actor.deadUntil = 0;
    for (let round = 0; round < 400; round++) {
      this.#world.scene.advance(2 * SECOND);
      if (await this.#sweepWhenDue()) await this.#world.watch.look({ kind: "sweep", swept: true });
      for (const actor of this.#actors) for (let i = 0; i < 6; i++) await actor.act();
      await this.#world.watch.look({ kind: "many", swept: false });
      if (this.#world.watch.unfinished().length === 0 && (await this.#openMessages()) === 0) return;
    }
    expect(this.#world.watch.unfinished()).toEqual([]);
    expect(await this.#openMessages()).toBe(0);
  }

  async #openMessages(): Promise<number> {
    const { byStatus } = await this.#world.scene.store.queueStatistics();
    return (byStatus.queued ?? 0) + (byStatus.leased ?? 0);
  }

  /** Nothing acknowledged is lost, and every supervisor was told each end once, truthfully. */
  async #checkEnds(): Promise<void> {
    const { scene, ledger, watch } = this.#world;
    for (const messageId of ledger.acknowledged) {
      expect(["completed", "dead_lettered", "expired"]).toContain(await scene.status(messageId));
    }
    const dead = await everyPage((page) => scene.store.listDeadLetters(page));
    const undelivered = dead.filter((message) => message.type === "task_result");
    for (const task of watch.tasks) {
      const told = [...(ledger.results.get(task.taskId)?.values() ?? [])];
      if (told.length > 0) expect(told).toEqual([task.status]);
      else expect(undelivered.map((message) => payloadField(message, "taskId"))).toContain(task.taskId);
    }
  }
}
