import { readConfig } from "../../../src/lib/config/config.ts";
import { createServices } from "../../../src/lib/services.ts";
import { everyPage, Scene, SECOND } from "../../contract/support.ts";
import { Random } from "../../support/random.ts";
import { SKILLS, type World } from "./actor.ts";
import { checkAudit } from "./audited.ts";
import { FleetRows } from "./fleet-rows.ts";
import { FleetWatch } from "./fleet-watch.ts";
import { Ledger } from "./ledger.ts";
import { Lost, Network } from "./network.ts";
import { ScheduleWatch } from "./schedule-watch.ts";
import type { SimulatedStore } from "./simulated-stores.ts";
import { SupervisorActor } from "./supervisor-actor.ts";
import { UsageLedger } from "./usage-ledger.ts";
import { WaitingPromises } from "./waiting-promises.ts";
import { WorkerActor } from "./worker-actor.ts";

const SWEEP_EVERY = 15 * SECOND;
/** Steps between two looks at everything. */
const LOOK_AT_ALL_EVERY = 100;
/** Rounds of two seconds in which all that was accepted has to end. */
const DRAIN_ROUNDS = 600;
const WORKERS = 5;
const SUPERVISORS = 2;

/** What a run was made of, to see that it was worth something. */
export interface Summary {
  tasks: number;
  messages: number;
  workflows: number;
  suspended: number;
  resumed: number;
  answered: number;
  reopened: number;
  firings: number;
  usageReports: number;
  lateUsage: number;
  crashes: number;
  lostRequests: number;
  lostReplies: number;
  repeated: number;
}

/** A fleet at work on one store, until `steps` have been taken and everything has ended. */
export class Simulation {
  readonly #random: Random;
  readonly #world: World;
  readonly #rows: FleetRows;
  readonly #schedules: ScheduleWatch;
  readonly #actors: (WorkerActor | SupervisorActor)[] = [];
  #nextSweep = 0;
  #crashes = 0;
  #workflows = 0;

  constructor(under: SimulatedStore, seed: number) {
    const random = new Random(seed);
    const scene = new Scene(under);
    this.#random = random;
    const rows = new FleetRows(under.file);
    this.#rows = rows;
    this.#schedules = new ScheduleWatch(rows);
    const watch = new FleetWatch(scene, rows, under.file);
    const config = readConfig({ AGENT_MOCK_DATABASE: under.file });
    this.#world = {
      scene,
      rows,
      watch,
      services: createServices({ config, clock: under.clock, store: under.store }),
      random,
      network: new Network(random),
      ledger: new Ledger(),
      promises: new WaitingPromises(rows),
      usage: new UsageLedger(rows, () => under.clock.now()),
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
    const { scene, queue, news, watch, usage } = this.#world;
    try {
      await scene.channel("work_queue", { name: queue });
      await scene.channel("broadcast", { name: news });
      for (let step = 1; step <= steps; step++) {
        await this.#step();
        if (step % LOOK_AT_ALL_EVERY === 0) watch.checkAll();
        if (step % LOOK_AT_ALL_EVERY === 0) usage.checkAll();
      }
      await this.#drain();
      watch.checkAll();
      usage.checkAll();
      this.#schedules.checkAll();
      await this.#checkEnds();
      await checkAudit(scene);
      this.#workflows = this.#rows.number("SELECT count(*) AS n FROM workflows");
    } finally {
      Math.random = unseeded;
      watch.close();
      this.#rows.close();
    }
    return this.#summary();
  }

  #summary(): Summary {
    const { watch, ledger, promises, usage, network } = this.#world;
    const { lostRequests, lostReplies, repeated } = network.counts;
    return {
      tasks: watch.stories.size,
      messages: ledger.acknowledged.size,
      ...promises.counts,
      ...usage.counts,
      workflows: this.#workflows,
      reopened: [...watch.stories.values()].filter(({ reopenedAt }) => reopenedAt !== undefined).length,
      firings: this.#schedules.firings,
      crashes: this.#crashes,
      ...{ lostRequests, lostReplies, repeated },
    };
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const { scene } = this.#world;
    scene.advance(random.chance(0.02) ? random.between(20, 120) * SECOND : random.between(0, 2_500));
    await this.#sweepWhenDue();
    const actor = random.pick(this.#actors);
    if (random.chance(0.008)) {
      this.#crashes += 1;
      actor.crash(random.between(10, 200) * SECOND);
    }
    // Several at once now and then: their calls meet in the store.
    const others = random.chance(0.35) ? this.#actors.filter((other) => other !== actor && random.chance(0.5)) : [];
    await Promise.all([actor, ...others].map((one) => one.act()));
    this.#look();
  }

  async #sweepWhenDue(): Promise<void> {
    const { scene, watch } = this.#world;
    const { store } = scene;
    if (store.now() < this.#nextSweep) return;
    this.#nextSweep = store.now() + SWEEP_EVERY;
    await Promise.all(this.#random.chance(0.2) ? [store.sweep(), store.sweep()] : [store.sweep()]);
    watch.look();
    watch.checkRest();
    if (await this.#fire()) this.#schedules.checkRest(store.now());
    this.#look();
  }

  /** As several processes do, each of which may die on the way. @returns whether one got through */
  async #fire(): Promise<boolean> {
    const { network, services } = this.#world;
    const once = () => network.call(() => services.firing.fireDue());
    const fired = await Promise.allSettled(this.#random.chance(0.3) ? [once(), once()] : [once()]);
    for (const outcome of fired) {
      if (outcome.status === "rejected" && !(outcome.reason instanceof Lost)) throw outcome.reason;
    }
    return fired.some((outcome) => outcome.status === "fulfilled");
  }

  #look(): void {
    if (!this.#rows.hasChanged()) return;
    this.#world.watch.look();
    this.#world.usage.look();
    this.#schedules.look();
  }

  /** No more faults and nothing new: what has been accepted must come to an end. */
  async #drain(): Promise<void> {
    const { scene, network, watch } = this.#world;
    network.faulty = false;
    this.#world.busy = false;
    for (const actor of this.#actors) actor.deadUntil = 0;
    for (const { schedule_id: scheduleId } of this.#rows.schedules()) await scene.store.deleteSchedule(scheduleId);
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      scene.advance(2 * SECOND);
      await this.#sweepWhenDue();
      await this.#actInDrain();
      this.#look();
      if (watch.unfinished().length === 0 && (await this.#openMessages()) === 0) return;
    }
    throw new Error(`never ended: ${watch.unfinished().join(", ")}; ${await this.#openMessages()} messages`);
  }

  /** Whoever has something to do, or to receive, does it. */
  async #actInDrain(): Promise<void> {
    const { scene, queue } = this.#world;
    const mailboxes = [...this.#actors.map(({ agentId }) => agentId), `#${queue}`];
    const full = new Set(await scene.store.findDeliverable(mailboxes));
    for (const actor of this.#actors) {
      const receives = full.has(actor.agentId) || full.has(`#${queue}`);
      for (let i = 0; i < 6 && (receives || actor.hasWork); i++) await actor.act();
    }
  }

  async #openMessages(): Promise<number> {
    const { byStatus } = await this.#world.scene.store.queueStatistics();
    return (byStatus.queued ?? 0) + (byStatus.leased ?? 0);
  }

  /** Nothing acknowledged is lost, and every supervisor was told each end once, truthfully. */
  async #checkEnds(): Promise<void> {
    const { scene, ledger, watch } = this.#world;
    for (const messageId of ledger.acknowledged) {
      const status = await scene.status(messageId);
      if (status === "queued" || status === "leased") throw new Error(`${messageId} is ${status} at the end`);
    }
    const dead = await everyPage((page) => scene.store.listDeadLetters(page));
    for (const message of dead) if (message.type === "task_result") ledger.told(message);
    for (const { taskId, row, toldEnds } of watch.stories.values()) {
      const told = ledger.results.get(taskId) ?? new Map<number, string>();
      const last = told.get(row.version) ?? row.status;
      if (told.size !== toldEnds || last !== row.status) {
        throw new Error(`${taskId} is ${row.status} after ${toldEnds} ends, and was told ${JSON.stringify([...told])}`);
      }
    }
  }
}
