import type { z } from "zod";
import type { childTasksSchema } from "../../../src/lib/model/child.ts";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import type { AskInput } from "../../../src/lib/model/question.ts";
import { resumeSchema } from "../../../src/lib/model/resume.ts";
import type { SuspendTaskInput } from "../../../src/lib/model/suspension.ts";
import { type Held, payloadField, SECOND } from "../../contract/support.ts";
import { Actor, type Job, text, type World } from "./actor.ts";
import { dependenciesAmong } from "./graphs.ts";
import { Spending } from "./spending.ts";
import type { Asked } from "./waiting-promises.ts";

interface Work {
  held: Held;
  taskType: string;
  until: number;
  spending: Spending;
}

type End = "complete" | "fail" | "fail for good";

/** Takes tasks and messages, works, fails, forgets, and suspends what it cannot end yet. */
export class WorkerActor extends Actor {
  readonly capabilities: string[];
  readonly capacity: number;
  #work = new Map<string, Work>();
  /** Attempts that a crash has ended, in a log that it did not wipe: what they have used may still be told. */
  readonly #owed: Work[] = [];

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
    this.#owed.push(...this.#work.values());
    this.#work.clear();
  }

  protected find(): void {
    const { random, busy } = this.world;
    for (const [taskId, work] of this.#work) {
      if (work.until > this.now) continue;
      this.#work.delete(taskId);
      this.todo.push(busy && random.chance(0.45) ? this.suspend(work) : this.finish(work));
      return;
    }
    const current = [...this.#work.values()];
    if (current.length > 0 && random.chance(0.2)) this.todo.push(this.report(random.pick(current)));
    else if (this.#owed.length > 0 && random.chance(0.1)) this.todo.push(this.tellUsage(random.pick(this.#owed)));
    else this.todo.push(random.chance(0.15) ? this.receive(this.world.queue) : this.receive());
  }

  protected handle(message: LeasedMessage): void {
    const { random, busy } = this.world;
    if (message.type === "task_assignment") this.#take(message);
    else if (message.type === "task_question") this.answerMessage(message);
    else if (message.type === "task_cancel") {
      const held = this.#heldBy(message);
      const { spending = new Spending(random) } = this.#work.get(held.taskId) ?? {};
      this.#work.delete(held.taskId);
      const work = { held, taskType: "", until: 0, spending };
      this.todo.push(this.end(work, random.pick(["complete", "fail"])), this.settle(message, "complete"));
    } else {
      if (busy && random.chance(0.1)) return;
      if (random.chance(0.2)) this.todo.push(this.renew(message));
      const outcome = busy ? random.pick(["complete", "complete", "retry", "dead_letter"] as const) : "complete";
      this.todo.push(this.settle(message, outcome));
    }
  }

  #heldBy(message: LeasedMessage): Held {
    return {
      taskId: text(message, "taskId"),
      agentId: this.agentId,
      attempt: Number(payloadField(message, "attempt")),
    };
  }

  #take(message: LeasedMessage): void {
    const { random, busy, promises } = this.world;
    const held = this.#heldBy(message);
    const resume = resumeSchema.optional().parse(payloadField(message, "resume"));
    promises.handedOut(held.taskId, held.attempt, resume);
    if (busy && random.chance(0.05)) return;
    const begin = this.begin(held, text(message, "taskType"));
    this.todo.push(begin, this.settle(message, random.pick(["complete", "complete", "retry"])));
  }

  private join(channel: string): Job {
    return async () => {
      await this.ask(() => this.world.scene.store.addChannelMember(channel, this.agentId));
    };
  }

  private begin(held: Held, taskType: string): Job {
    const milliseconds = this.world.random.between(1, 20) * SECOND;
    return async () => {
      const reply = await this.ask(() => this.world.scene.start(held), "LEASE_LOST");
      if (reply === undefined) return;
      const spending = new Spending(this.world.random);
      this.#work.set(held.taskId, { held, taskType, until: this.now + milliseconds, spending });
    };
  }

  private report(work: Work): Job {
    const { held, spending } = work;
    const extendSeconds = this.world.random.pick([undefined, 60]);
    const usage = spending.report();
    return async () => {
      const { scene, usage: ledger } = this.world;
      const { taskId, ...caller } = held;
      const send = async () => {
        const reply = await scene.store.progressTask(taskId, { ...caller, percent: 50, extendSeconds, usage });
        ledger.reported({ ...held, usage });
        return reply;
      };
      if ((await this.ask(send, "LEASE_LOST")) === undefined) this.#lost(work);
    };
  }

  /** The attempt is over, and not by this agent: what it has used is told all the same, as a rule. */
  #lost(work: Work): void {
    this.#work.delete(work.held.taskId);
    if (this.world.random.chance(0.7)) this.todo.push(this.tellUsage(work));
  }

  /** Usage alone, of an attempt of this agent in whatever state: never refused. */
  private tellUsage({ held, spending }: Work): Job {
    const usage = spending.report() ?? [];
    return async () => {
      const { services, usage: ledger } = this.world;
      const { taskId, ...caller } = held;
      await this.ask(async () => {
        const reply = await services.usage.report(taskId, { ...caller, usage });
        ledger.late({ ...held, usage }, reply.usage);
      });
    };
  }

  private finish(work: Work): Job {
    const { random, busy } = this.world;
    const ends: End[] = ["complete", "complete", "complete", "fail", "fail for good"];
    return this.end(work, busy ? random.pick(ends) : "complete");
  }

  private end(work: Work, how: End): Job {
    const { held, spending } = work;
    const { taskId, ...caller } = held;
    const usage = spending.report();
    return async () => {
      const { scene, ledger, usage: usageLedger } = this.world;
      const { store } = scene;
      const complete = () =>
        ledger.once(`${taskId} ${held.attempt}`, () =>
          store.completeTask(taskId, { ...caller, result: { ok: true }, usage }),
        );
      const fail = () => store.failTask(taskId, { ...caller, error: "broken", retryable: how === "fail", usage });
      const send = async () => {
        const reply = await (how === "complete" ? complete() : fail());
        usageLedger.ended({ ...held, usage });
        return reply;
      };
      const reply = await this.ask(send, "LEASE_LOST");
      if (reply === undefined) return this.#lost(work);
      ledger.ended(taskId, held.attempt, how === "complete" ? "complete" : "fail");
      this.#ended(work, how);
    };
  }

  /** Some have used more than they said at the end: the same end again does not tell it, a report by itself does. */
  #ended(work: Work, how?: End): void {
    const { random } = this.world;
    if (how !== undefined && random.chance(0.15)) this.todo.push(this.end(work, how));
    else if (random.chance(0.15)) this.todo.push(this.tellUsage(work));
  }

  /** Until an answer, a time, or the ends of children where the task may make them. */
  private suspend(work: Work): Job {
    const { held, taskType } = work;
    const { random, scene } = this.world;
    const kind = random.pick(taskType === "split" ? ["tasks", "tasks", "at", "question"] : ["at", "question"]);
    const checkpoint = `${held.taskId} ${held.attempt}`;
    const question = kind === "question" ? this.#question() : undefined;
    const at = new Date(this.now + random.between(15, 120) * SECOND).toISOString();
    const tasks = kind === "tasks" ? this.#children(scene.fresh("c")) : undefined;
    const until = question === undefined ? (tasks === undefined ? { at } : { tasks }) : { question };
    const usage = work.spending.report();
    return this.#suspendWith(
      work,
      { agentId: this.agentId, attempt: held.attempt, checkpoint, until, usage },
      checkpoint,
    );
  }

  #suspendWith(work: Work, input: SuspendTaskInput, checkpoint: string): Job {
    const { taskId, agentId, attempt } = work.held;
    const { question } = input.until;
    const asked: Asked | undefined = question && {
      askedOf: question.askedOf ?? [],
      defaultAnswer: question.defaultAnswer,
    };
    return async () => {
      const { services, promises, ledger, usage } = this.world;
      const send = async () => {
        const reply = await services.questions.suspend(taskId, input).catch((error: unknown) => {
          promises.refused(taskId, attempt);
          throw error;
        });
        usage.ended({ taskId, attempt, agentId, usage: input.usage });
        promises.suspended({ taskId, attempt, agentId, checkpoint, question: asked }, reply);
        return reply;
      };
      // A time that has come before the call got through, children past the limits, or an agent asked that has not registered yet: it
      // ends the task instead.
      const reply = await this.ask(send, "LEASE_LOST", "INVALID_REQUEST", "TASK_TREE_LIMIT", "AGENT_NOT_FOUND");
      if (reply === undefined) return void this.todo.push(this.finish(work));
      ledger.ended(taskId, attempt, "suspend");
      this.#ended(work);
    };
  }

  #question(): AskInput {
    const { random, workers } = this.world;
    const others = random.some(workers.filter((agentId) => agentId !== this.agentId)).slice(0, 2);
    const timeoutSeconds = random.pick([undefined, 30, 120]);
    return {
      text: "Which?",
      ...(others.length > 0 ? { askedOf: others } : {}),
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
      ...(timeoutSeconds !== undefined && random.chance(0.5) ? { defaultAnswer: "yes" } : {}),
    };
  }

  /** One to four, some of which wait for others, or may make children of their own. */
  #children(taskId: string): z.input<typeof childTasksSchema> {
    const { random, scene } = this.world;
    const count = random.between(1, 4);
    return Array.from({ length: count }, (_, i) => ({
      taskId: `${taskId}.${i}`,
      taskType: random.pick(["work", "split"]),
      ref: `r${i}`,
      requiredCapabilities: [scene.skill],
      timeoutSeconds: random.pick([20, 60, 300]),
      maxRetries: random.between(0, 2),
      dependsOn: dependenciesAmong(random, i),
    })).map((child) => (child.taskType === "split" ? { ...child, children: { taskTypes: ["split", "work"] } } : child));
  }
}
