import type { z } from "zod";
import type { childTasksSchema } from "../../../src/lib/model/child.ts";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import type { AskInput } from "../../../src/lib/model/question.ts";
import { resumeSchema } from "../../../src/lib/model/resume.ts";
import type { SuspendTaskInput } from "../../../src/lib/model/suspension.ts";
import { type Held, payloadField, SECOND } from "../../contract/support.ts";
import { Actor, type Job, text, type World } from "./actor.ts";
import { dependenciesAmong } from "./graphs.ts";
import type { Asked } from "./waiting-promises.ts";

interface Work {
  held: Held;
  taskType: string;
  until: number;
}

type End = "complete" | "fail" | "fail for good";

/** Takes tasks and messages, works, fails, forgets, and suspends what it cannot end yet. */
export class WorkerActor extends Actor {
  readonly capabilities: string[];
  readonly capacity: number;
  #work = new Map<string, Work>();

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
    const { random, busy } = this.world;
    for (const [taskId, work] of this.#work) {
      if (work.until > this.now) continue;
      this.#work.delete(taskId);
      this.todo.push(busy && random.chance(0.45) ? this.suspend(work) : this.finish(work.held));
      return;
    }
    const current = [...this.#work.values()];
    if (current.length > 0 && random.chance(0.2)) this.todo.push(this.report(random.pick(current).held));
    else this.todo.push(random.chance(0.15) ? this.receive(this.world.queue) : this.receive());
  }

  protected handle(message: LeasedMessage): void {
    const { random, busy } = this.world;
    if (message.type === "task_assignment") this.#take(message);
    else if (message.type === "task_question") this.answerMessage(message);
    else if (message.type === "task_cancel") {
      this.#work.delete(text(message, "taskId"));
      const held = this.#heldBy(message);
      this.todo.push(this.end(held, random.pick(["complete", "fail"])), this.settle(message, "complete"));
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
      if (reply !== undefined) this.#work.set(held.taskId, { held, taskType, until: this.now + milliseconds });
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
    const { random, busy } = this.world;
    const ends: End[] = ["complete", "complete", "complete", "fail", "fail for good"];
    return this.end(held, busy ? random.pick(ends) : "complete");
  }

  private end(held: Held, how: End): Job {
    return async () => {
      const { scene, ledger } = this.world;
      const complete = () => ledger.once(`${held.taskId} ${held.attempt}`, () => scene.complete(held));
      const send = () => (how === "complete" ? complete() : scene.fail(held, { retryable: how === "fail" }));
      const reply = await this.ask(send, "LEASE_LOST");
      if (reply !== undefined) ledger.ended(held.taskId, held.attempt, how === "complete" ? "complete" : "fail");
    };
  }

  /** Until an answer, a time, or the ends of children where the task may make them. */
  private suspend({ held, taskType }: Work): Job {
    const { random, scene } = this.world;
    const kind = random.pick(taskType === "split" ? ["tasks", "tasks", "at", "question"] : ["at", "question"]);
    const checkpoint = `${held.taskId} ${held.attempt}`;
    const question = kind === "question" ? this.#question() : undefined;
    const at = new Date(this.now + random.between(15, 120) * SECOND).toISOString();
    const tasks = kind === "tasks" ? this.#children(scene.fresh("c")) : undefined;
    const until = question === undefined ? (tasks === undefined ? { at } : { tasks }) : { question };
    return this.#suspendWith(held, { agentId: this.agentId, attempt: held.attempt, checkpoint, until }, checkpoint);
  }

  #suspendWith(held: Held, input: SuspendTaskInput, checkpoint: string): Job {
    const { taskId, agentId, attempt } = held;
    const { question } = input.until;
    const asked: Asked | undefined = question && {
      askedOf: question.askedOf ?? [],
      defaultAnswer: question.defaultAnswer,
    };
    return async () => {
      const { services, promises, ledger } = this.world;
      const send = async () => {
        const reply = await services.questions.suspend(taskId, input).catch((error: unknown) => {
          promises.refused(taskId, attempt);
          throw error;
        });
        promises.suspended({ taskId, attempt, agentId, checkpoint, question: asked }, reply);
        return reply;
      };
      // A time that has come before the call got through, children past the limits, or an agent asked that has not registered yet: it
      // ends the task instead.
      const reply = await this.ask(send, "LEASE_LOST", "INVALID_REQUEST", "TASK_TREE_LIMIT", "AGENT_NOT_FOUND");
      if (reply === undefined) this.todo.push(this.finish(held));
      else ledger.ended(taskId, attempt, "suspend");
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
